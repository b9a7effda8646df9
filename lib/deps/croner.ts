/**
 * `croner` 9.1.0, MIT licence, no dependencies: parses cron expressions and finds the times that they
 * match, with the rules of other servers for days of the month and of the week. Only its parser is
 * used: `cron_runner.ts` has the timer, because the timer of the package does not notice a clock that
 * is set.
 */

export { Cron } from "npm:croner@9.1.0";
