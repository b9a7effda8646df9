import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { CONFIG_PATH, isModelName, parseSettings } from "../../../plugins/gpu/config.ts";

const BACKEND = "ollama://localhost\n";

Deno.test("parseSettings() returns nothing for an empty configuration", () => {
  for (const text of [undefined, "", "\n \r\n", "# ollama://localhost\n   # nothing"]) {
    assertEquals(parseSettings(text), {}, text);
  }
});

Deno.test("parseSettings() reads settings above and below the backend", () => {
  const { backend, fault } = parseSettings(`\ufeff
    # as short as possible
    system You are # brief.
    system See https://example.org.
    ollama://localhost   # this computer
    temperature 0.2      # low
    max_tokens = 77
    model m
  `);
  assertEquals(fault, undefined);
  assertEquals(
    [backend?.system, backend?.temperature, backend?.maxTokens, backend?.model],
    ["You are # brief.\nSee https://example.org.", 0.2, 77, "m"],
  );
});

Deno.test("parseSettings() names the line that it cannot use, and never quotes it", () => {
  const rows: readonly (readonly [text: string, found: RegExp])[] = [
    ["SECRET", /line 1: neither a backend .* nor one of model, models, key, system/],
    ["# x\n\nSECRET://localhost", /line 3: unknown scheme/],
    [`${BACKEND}ollama://other`, /line 2: there is a backend already/],
    [`${BACKEND}model SECRET SECRET`, /line 2: the name of the model is invalid/],
    [`${BACKEND}model`, /line 2: the name of the model is invalid/],
    [`${BACKEND}model a\nmodel b`, /line 3: model is set a second time/],
    [`${BACKEND}models a, SECRET`, /line 2: models is not a list of names/],
    [`${BACKEND}temperature SECRET`, /line 2: temperature is not a number from 0 to 2/],
    [`${BACKEND}temperature 2.1`, /line 2: temperature is not a number from 0 to 2/],
    [`${BACKEND}max_tokens 1.5`, /line 2: max_tokens is not a whole number from 1 to 10000000/],
    [`${BACKEND}max_tokens -1`, /line 2: max_tokens/],
    [`${BACKEND}max_tokens 1e3`, /line 2: max_tokens/],
    [`${BACKEND}timeout 0`, /line 2: timeout is not a whole number from 1 to 600/],
    [`${BACKEND}timeout 601`, /line 2: timeout/],
    [`${BACKEND}key SECRET`, /line 2: key is neither none nor the name of a variable/],
    [`${BACKEND}key AWS_SECRET`, /line 2: key is neither none nor/],
    [`${BACKEND}key ELASTIK_API_KEY`, /line 2: key is neither none nor/],
    [`${BACKEND}constructor x`, /line 2: neither a backend/],
    ["model llama3.2", /names no backend; add a line such as ollama:/],
    [`# ${"x".repeat(70_000)}`, /is longer than 65536 characters/],
  ];
  for (const [text, found] of rows) {
    const { backend, fault = "" } = parseSettings(text);
    assertEquals(backend, undefined, text);
    assertMatch(fault, found);
    assert(fault.startsWith(`${CONFIG_PATH} `), text);
    assert(!fault.includes("SECRET"), text);
  }
});

Deno.test("isModelName() accepts the names that the services use", () => {
  for (const name of ["llama3.2", "org/model:7b", "a@b+c-d_e"]) assert(isModelName(name), name);
  for (const name of ["", "a b", "a\nb", "ü", "x".repeat(201)]) assert(!isModelName(name), name);
});
