// How loud a block was. Pure.
import type { Block } from "./ears.js";
import type { Levels } from "./options.js";

const QUIETEST_DBFS = -100;

/** Loudness of both sides of a block. */
export function levelsOf({ squares, frames }: Block): Levels {
  return { customer: dbfs(squares[0], frames), agent: dbfs(squares[1], frames) };
}

function dbfs(squares: number, frames: number): number {
  return Math.max(QUIETEST_DBFS, 10 * Math.log10(squares / frames + 1e-12));
}
