// What is written about who chooses whom: the one place that turns what a router declares (RouterInfo in moeviz/config/rules.py), k and N
// into words.

const SCORES = {
  first: 'first choice',
  chosen: 'chosen',
  left: 'not chosen',
  of: 'of all choices',
  title: 'Gate probability',
};
const WORDS = {
  scores: SCORES,
  bias: SCORES,
  table: { ...SCORES, first: 'first in the table', title: 'The table’s shares' },
  experts: {
    first: 'largest probability',
    chosen: 'takes it',
    left: 'does not take it',
    of: 'of all inputs taken',
    title: 'Gate probability',
  },
  nobody: {
    first: 'largest share',
    chosen: 'has a part',
    left: 'has no part',
    of: 'of the work',
    title: 'Share of each answer',
  },
};
const capital = (text) => text[0].toUpperCase() + text.slice(1);
const choosing = ({ choice }) => choice === 'scores' || choice === 'bias' || choice === 'table'; // k for each input

// Of one run: who decides, k, and among how many; `all`: no expert is left out.
function settingOf({ choice, top_k: k, ids }, run = 0) {
  const count = ids[run].length;
  return { choice: choice[run], k: k[run], count, all: k[run] >= count };
}

/** @type {(header: Header, run?: number) => typeof SCORES} */
export const wordsOf = (header, run = 0) => WORDS[header.choice[run]];

/** @type {(header: Header) => string} */
export const probeTitle = (header) => `${wordsOf(header).title} at the probe`;

// What a solid bar is.
/** @type {(header: Header) => string} */
export function solidKey(header) {
  const { choice, count, all } = settingOf(header);
  if (count === 1) return 'one expert: no choice';
  if (choice === 'nobody') return 'nothing is chosen';
  if (choosing({ choice }) && all) return 'all are chosen';
  return `solid = ${WORDS[choice].chosen}`;
}

// The line between the last chosen and the first left out, where it is probabilities that are cut.
/** @type {(header: Header, count: number, run?: number) => string} */
export function cutName(header, count, run = 0) {
  const { choice, count: experts } = settingOf(header, run);
  return choice === 'scores' && count > 0 && count < experts ? `top-${count} cut` : '';
}

// Load bars count every choice, a map shows one: said wherever both are seen. '' where they count the same.
/** @type {(header: Header) => string} */
export function loadNote(header) {
  if (header.view !== 'map') return '';
  const several = new Set(header.top_k).size > 1;
  const notes = header.top_k.map((_, run) => ofRun(settingOf(header, run), several));
  return [...new Set(notes)].filter(Boolean).join(' · ');
}

function ofRun({ choice, k, count, all }, several) {
  if (count === 1) return '';
  if (choice === 'experts') return 'all that experts take; map: what the gate prefers';
  if (choice === 'nobody') return 'all work on all inputs; map: the largest share';
  if (k === 1) return '';
  return several || !all
    ? `all ${several ? 'k' : k} choices; map: the first only`
    : `all ${count} experts answer each input; map: the first only`;
}

// The map's first picture: whose color a place has.
/** @type {(header: Header) => string} */
export function firstHeading(header) {
  const { choice } = settingOf(header);
  if (choice === 'nobody') return 'Whose answer has the largest share, at every place';
  if (choice === 'table') return 'First expert in the table, at every place';
  return header.batch_dependent ? 'What the gate prefers, at every place' : 'First choice of the gate, at every place';
}

// The tabs of these two pictures.
/** @type {(header: Header) => Record<string, string>} */
export function tabNames(header) {
  const names = { experts: ['Preference', 'Taken'], nobody: ['Largest share', 'All'], table: ['First', 'Chosen'] }[
    header.choice[0]
  ] ?? ['First choice', 'Top k'];
  return { first_choice: names[0], top_k: names[1] };
}

// Whether the picture of all choices shows one expert at a time: two can be shown at once, where each place has just two.
/** @type {(header: Header, run?: number) => boolean} */
export function asksForOne(header, run = 0) {
  const { choice, k } = settingOf(header, run);
  return choice === 'experts' || k > 2;
}

// The same for its other picture, of all choices; `name`: of the expert that is pointed at.
/** @type {(header: Header, name: string) => string} */
export function chosenHeading(header, name) {
  const { choice, k, count, all } = settingOf(header);
  const ask = 'Point at a bar, or type a letter';
  if (choice === 'experts') return `Where does ${name} take inputs? ${ask}`;
  if (choice === 'nobody') return 'Nothing is chosen: every expert has a part everywhere';
  if (count === 1) return 'One expert answers everywhere';
  if (k === 1) return `k = 1: only the ${WORDS[choice].first} works`;
  if (all && k > 2) return `k = N: all ${count} experts answer everywhere`;
  if (k === 2) return `Color = ${WORDS[choice].first}, stripes = second`;
  return `Where is ${name} among the ${k} chosen? ${ask}`;
}

/** @type {(header: Header, run: number) => string} */
export function chosenWords(header, run) {
  const { choice, k } = settingOf(header, run);
  if (choice === 'nobody') return 'With a part in the answer, by area';
  return choice === 'experts' ? 'Taken by each expert, by area' : `Among the ${k} chosen, by area`;
}

// Where it is not the gate that decides, its certainty says something else.
/** @type {(header: Header) => string} */
export function sureHeading(header) {
  if (header.choice[0] === 'table') return 'A table is not sure or unsure: its shares are the same everywhere';
  if (header.choice[0] === 'nobody') return 'How large the largest share is, dark = large';
  return 'How sure the gate is: its largest probability, dark = sure';
}

/** @type {(header: Header) => string} */
export const gatesHeading = (header) =>
  `${wordsOf(header).title === SCORES.title ? 'Gate probability of each expert' : wordsOf(header).title}: light 0, dark 1`;

/** @type {(header: Header) => string} */
export function answersHeading(header) {
  return header.choice[0] === 'nobody' || header.top_k[0] >= header.ids[0].length
    ? 'What each expert answers by itself'
    : 'What each expert answers by itself; hatched = not trained here';
}

/** @type {(header: Header, run?: number) => string} */
export const firstWords = (header, run = 0) => capital(wordsOf(header, run).first);

// Of an expert, where a place or a part of a line has its color.
/** @type {(header: Header) => string} */
export function bestAt(header) {
  const { choice } = settingOf(header);
  if (choice === 'nobody' || choice === 'table')
    return `${choice === 'table' ? 'is' : 'has the'} ${WORDS[choice].first}`;
  return header.batch_dependent ? 'is what the gate prefers' : `is ${WORDS[choice].first}`;
}

// In a picture that is no map: what the color of an input names.
/** @type {(header: Header) => string} */
export function colorName(header) {
  return header.batch_dependent ? 'expert that got it' : wordsOf(header).first;
}

// Why a token's own numbers do not say who serves it, where company counts.
/** @type {(header: Header) => string} */
export function companyNote(header) {
  if (header.skips[0] && !header.limited) return 'In training the second expert is sometimes skipped';
  return (
    {
      experts: 'Experts pick inputs, so company counts: ✕ = no expert took it',
      nobody: 'Every expert answers a mixture of all inputs: color = its largest share',
    }[header.choice[0]] ?? ''
  );
}

// Where tables and colors show one expert for each token, though several may work on it; '' where only one does.
/** @type {(header: Header) => string} */
export function oneOfSeveral(header) {
  const { choice, k, count } = settingOf(header);
  if (count === 1 || (k === 1 && choosing({ choice }))) return '';
  if (choice === 'nobody') return 'All experts work on all: tables and colors show the largest share.';
  if (choice === 'experts')
    return 'Experts choose: tables count what the gate prefers, colors show the largest weight.';
  return `k = ${k}: tables count first choices, colors show the largest weight.`;
}

// Who is to be followed in a table of tokens (rows) and experts (columns).
/** @type {(choice: Choice) => string} */
export const whoChooses = (choice) =>
  ({
    experts: 'Experts choose: read down a column.',
    table: 'A fixed table chooses: read along a row.',
    nobody: 'Nobody chooses: every expert gets a mixture of all tokens, every token one of all answers.',
  })[choice] ?? 'Tokens choose: read along a row.';

// What a stop of a token's way is called, where the router does something else there.
const STOPS = {
  softmax: ({ weighing }) => ({ sigmoid: 'Sigmoid', table: 'Shares' })[weighing],
  top_k: ({ choosing: who }) => ({ experts: 'Taken by', table: 'Table', nobody: 'No choice' })[who],
};
/** @type {(stop: { name: string, title: string }, token: Token) => string} */
export const stopTitle = ({ name, title }, token) => STOPS[name]?.(token) ?? title;
