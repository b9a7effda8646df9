/** The table of CSV and TSV. */

export { tableView } from "../table_view.js";
