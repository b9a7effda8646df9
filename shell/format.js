/** Formats sizes, times and counts. Pure, except for the clock. */

const UNITS = ["B", "KiB", "MiB", "GiB"];

/** A number of bytes. */
export function size(bytes) {
  if (!Number.isFinite(bytes)) return "";
  let unit = 0;
  let value = bytes;
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** The time since a point in time: `4 s`, `12 min`, `3 h`; the local date after a day. */
export function ago(time, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1000));
  if (Number.isNaN(seconds)) return "";
  if (seconds < 5) return "now";
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  const date = new Date(time);
  const parts = [date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, "0"));
  return `${date.getFullYear()}-${parts.join("-")}`;
}

/** A duration in seconds: `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`. */
export function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (minutes < 1) return `${Math.floor(seconds)} s`;
  if (hours < 1) return `${minutes} min`;
  if (days < 1) return `${hours} h ${minutes % 60} min`;
  return `${days} d ${hours % 24} h`;
}

/** A whole number with commas: `12,345`. `toLocaleString()` would load the data of a language. */
export function grouped(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A count with its noun. */
export function count(number, one, many = `${one}s`) {
  return `${grouped(number)} ${number === 1 ? one : many}`;
}

/**
 * JSON with line breaks; as it is if it is nested too deeply to be formatted.
 *
 * @param {unknown} value
 * @param {string} content the text of the value
 */
export function indented(value, content) {
  try {
    return JSON.stringify(value, null, 2);
  } catch {
    return content;
  }
}
