/**
 * `negotiator` 1.1.0, MIT licence: the parser of `Accept`. The choice between equal types and the 406
 * response are in `lib/http/negotiate.ts`.
 */

// @ts-types="npm:@types/negotiator@0.6.5"
export { default as Negotiator } from "npm:negotiator@1.1.0";
