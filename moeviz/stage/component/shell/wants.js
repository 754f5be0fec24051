// What the stage asks a run for, by the names of moeviz/frames/pictures.py.

import { PICTURES } from '../maps/pictures.js';

const DRAWN_FROM = { curve: ['curve'], projection: ['choices'], rows: ['rows'] }; // a map: what its picture wants

// All that a saved page can show.
export const EVERYTHING = [
  'rows',
  'points',
  'choices',
  'groups',
  'history',
  ...Object.values(PICTURES).flatMap(({ want }) => want),
];

// What the map is drawn from; tokens are asked for once for each version of the data, of which `known` is there.
/** @type {(view: View, header: Header | undefined, picture: string, known: number | null) => string[]} */
export function mapWants(view, header, picture, known) {
  const want = [...(DRAWN_FROM[view] ?? PICTURES[picture].want)];
  if (view === 'rows') return want;
  if (view !== 'projection' && header?.batch_dependent) want.push('choices');
  if (!header || known !== header.data_version) want.push('points');
  return want;
}

// Whether a frame has all that a saved page can show.
/** @type {(frame: Frame) => boolean} */
export function whole({ header, arrays }) {
  const pictures = header.view === 'map' ? Object.values(PICTURES).flatMap(({ needs }) => needs) : [];
  return [header.view === 'rows' ? 'row_pixels' : 'point_xy', 'group_share', 'history_step', ...pictures].every(
    (name) => arrays[name],
  );
}
