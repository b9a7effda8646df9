import { assertEquals } from "../../support/assert.ts";
import type { SearchPage, SearchQuery } from "../../../lib/world/search.ts";
import { SearchJobs } from "../../../lib/world/store/search_jobs.ts";

const QUERY: SearchQuery = { within: [], original: false, isolated: false, text: "x", limit: 1 };
const PAGE: SearchPage = { hits: [], more: false, tooLong: [], isShared: false };

Deno.test("SearchJobs shares a running search until a world changes", async () => {
  const jobs = new SearchJobs({ running: 4, waiting: 4, waitingPerClient: 4 });
  const end = Promise.withResolvers<SearchPage>();
  let started = 0;
  const search = () =>
    jobs.run(QUERY, {}, () => {
      started += 1;
      return end.promise;
    });
  const found = [search(), search()];
  assertEquals(started, 1);
  jobs.recordChange();
  // It waits for the end of the other one, whose result it must not get.
  found.push(search(), search());
  end.resolve(PAGE);
  assertEquals(await Promise.all(found), [PAGE, PAGE, PAGE, PAGE]);
  assertEquals([started, jobs.counts.answered], [2, 4]);
  jobs.close();
});
