// What a run is told when the page meets it: once for each run, however often the picture is mounted.

import { reducedMotion } from '../kit/theme.js';

const greeted = new Set(); // tokens of runs that this page has met
const warmed = new Set(); // ... and of those that were asked for their first steps
const AT_ONCE = 50; // steps that a run can be asked for in one message

// Who wants little motion gets a run that waits at step 0. The server cannot know that before this browser says it, and
// a fresh run plays at once, so its first steps are taken back.
/** @type {(connection: { send: Send }, data: PageData) => void} */
export function greet(connection, { token }) {
  if (greeted.has(token)) return;
  greeted.add(token);
  if (!reducedMotion()) return;
  connection.send({ op: 'pause' });
  connection.send({ op: 'reset' });
}

// A page may want its run to wait at a later step than 0.
/** @type {(connection: { send: Send }, data: PageData, header: Header) => void} */
export function warm(connection, { token, warm: steps }, { step }) {
  if (warmed.has(token)) return;
  warmed.add(token);
  for (let left = step === 0 ? (steps ?? 0) : 0; left > 0; left -= AT_ONCE)
    connection.send({ op: 'step', n: Math.min(left, AT_ONCE) });
}
