// Times, counts and names as people read them. Pure; it must never read a clock: the time now is always given.

const two = (number: number): string => String(number).padStart(2, "0");

/** A length as `4:05` or `1:04:05`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** A place on the media clock, with tenths: `1:01.2`. */
export function position(ms: number): string {
  const tenths = Math.floor(ms / 100);
  return `${Math.floor(tenths / 600)}:${two(Math.floor(tenths / 10) % 60)}.${tenths % 10}`;
}

/** How long ago, or how long it took, coarsely: `12 s`, `4 min`, `2 h 5 min`. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  return minutes % 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${minutes / 60} h`;
}

/** Local time of day of an RFC 3339 time: `15:21:09`; the text as it came where it is none. */
export function clock(time: string | number, seconds = true): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return String(time);
  const parts = [date.getHours(), date.getMinutes(), ...(seconds ? [date.getSeconds()] : [])];
  return parts.map(two).join(":");
}

/** `1 call`, `2 calls`. */
export const count = (number: number, thing: string): string =>
  `${number.toLocaleString("en")} ${thing}${number === 1 ? "" : "s"}`;

export const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** `customer` as a heading: `Customer`. */
export const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

/** A rule's name as words: `angry-customer` is `angry customer`. */
export const words = (name: string): string => name.replaceAll("-", " ");
