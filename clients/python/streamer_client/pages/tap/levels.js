const QUIETEST_DBFS = -100;
/** Loudness of both sides of a block. */
export function levelsOf({ squares, frames }) {
    return { customer: dbfs(squares[0], frames), agent: dbfs(squares[1], frames) };
}
function dbfs(squares, frames) {
    return Math.max(QUIETEST_DBFS, 10 * Math.log10(squares / frames + 1e-12));
}
