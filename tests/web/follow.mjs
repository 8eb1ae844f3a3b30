// Follows events as a user's program would, and says what comes as lines of JSON. Its argument: the options of
// `subscribe`, and `iterate` to iterate instead of being called. A line on its input ends it.
import { subscribe } from "./events/index.js";

const { iterate, ...options } = JSON.parse(process.argv[2]);
const say = (line) => console.log(JSON.stringify(line));
const onStatus = (status, detail) => say({ status, detail });
const onCleared = (cleared) => say({ cleared });
const onEvent = (event) => say({ event });
console.warn = (warning) => say({ warning });

const events = subscribe({ ...options, onStatus, onCleared, ...(iterate ? {} : { onEvent }) });
process.stdin.once("data", async () => {
  await events.close();
  const { duplicates, unreadable, stale, unknown, dropped } = events;
  say({ counters: { duplicates, unreadable, stale, unknown, dropped } });
  process.stdin.pause();
});
if (iterate) {
  try {
    for await (const event of events) say({ event });
    say({ iterated: true });
  } catch (problem) {
    say({ thrown: problem.name, message: problem.message });
    process.stdin.pause();
  }
} else {
  events.ready.catch((problem) => {
    say({ thrown: problem.name, message: problem.message });
    process.stdin.pause();
  });
}
