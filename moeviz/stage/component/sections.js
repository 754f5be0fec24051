// The Balance lab's sections: one question each. A section is drawn only while it is open, and only then asked for.

import { Collapse } from './collapse.js';

const CHARTS = '<div class="mv-charts" data-part="charts"></div>';

// `want`: pictures that it is drawn from; `needs`: arrays that these bring; `Kind`: draws them; none: it has only charts.
export const SECTIONS = {
  curves: {
    label: 'Curves', question: 'What does the difference change, step by step?',
    note: 'One line for each twin; its pattern stands beside its name above.', body: CHARTS, want: [], needs: [],
  },
  collapse: {
    label: 'Collapse and revival', question: 'Who falls idle, when, and what brings an expert back?',
    note: 'A strip for each expert: dark = much load, empty = none. † marks the step since which it has been idle.',
    body: `<div class="mv-treat" data-part="treat"></div><ul class="mv-log" data-part="alarms"></ul><div class="mv-charts mv-strips" data-part="strips"></div>`,
    want: [], needs: [], Kind: Collapse,
  },
};
