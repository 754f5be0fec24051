// The Balance lab's sections: one question each. A section is drawn only while it is open, and only then asked for.

import { Collapse } from './collapse.js';
import { Evenness } from './evenness.js';
import { Learners } from './learners.js';
import { Simplex } from './simplex.js';
import { Specialists } from './specialists.js';
import { Tradeoff } from './tradeoff.js';

const CHARTS = '<div class="mv-charts" data-part="charts"></div>';

const measured = ({ header }) => header.measured_step;
const recorded = ({ arrays }) => arrays.history_step.data.at(-1);

// `want`: pictures that it is drawn from; `needs`: arrays that these bring, where the task has them; `Kind`: draws them (none: it
// has only charts); `at`: the step that it shows then.
export const SECTIONS = {
  curves: {
    label: 'Curves',
    question: 'What does the difference change, step by step?',
    note: 'One line for each twin; its pattern stands beside its name above.',
    body: CHARTS,
    want: [],
    needs: [],
  },
  collapse: {
    label: 'Collapse and revival',
    question: 'Who falls idle, when, and what brings an expert back?',
    note: 'A strip for each expert: dark = much load, empty = none. † marks the step since which it has been idle, (†) one after which it came back.',
    body: `<div class="mv-treat" data-part="treat"></div><ul class="mv-log" data-part="alarms"></ul><div class="mv-charts mv-strips" data-part="strips"></div>`,
    want: [],
    needs: [],
    Kind: Collapse,
    at: measured,
  },
  learners: {
    label: 'Who learns',
    question: 'Who learns, and who starves?',
    note: 'An expert learns only from inputs that it gets. Bars: the length of its last gradient, and in how many steps it got an input at all.',
    body: `<div class="mv-plots" data-part="learners"></div><h3 class="mv-heading">How do the busy get busier?</h3>
      <p class="mv-said">More inputs → more gradient → better answers there → higher gate probability → more inputs. Each arrow is as wide as the measured number of the box that it leaves, beside the other expert’s; of the loss, the lower the wider. “Loss where wanted”: the expert’s own answers to all test inputs, weighted by its gate probability.</p>
      <div class="mv-treat" data-part="loop-twin"></div><div class="mv-plots" data-part="loop"></div>`,
    want: ['skill'],
    needs: ['skill_loss'],
    Kind: Learners,
    at: measured,
  },
  evenness: {
    label: 'Gate against load',
    question: 'Is the gate even on average, and the load not?',
    note: 'One trail for each expert, from step 0 to now. On the diagonal an expert gets as much work as the gate’s average says; a point on the dashed cross has its fair share 1/N of both.',
    body: '<div class="mv-choice" role="group" aria-label="Upwards" data-part="evenness-shows"></div><div class="mv-plots" data-part="evenness"></div>',
    want: ['history', 'trails'],
    needs: ['history_step', 'history_mean_prob'],
    Kind: Evenness,
    at: recorded,
  },
  simplex: {
    label: 'Three experts',
    question: 'Where does the balance loss pull the gate?',
    note: 'Each corner is one expert that gets all probability; + is the even middle. The point is the mean gate probability, with the way that it came; rings are heights of the article’s loss, λ · Σ (1/N − P)².',
    body: '<p><span data-part="three-said"></span> <button type="button" data-part="three" hidden>Set N = 3</button></p><div class="mv-plots" data-part="simplex"></div>',
    want: ['history', 'trails'],
    needs: ['history_step', 'history_mean_prob'],
    Kind: Simplex,
    at: recorded,
  },
  tradeoff: {
    label: 'Too much?',
    question: 'What does balance cost?',
    note: 'One point for each twin, with the way that it came (smoothed): left = even load, up = better answers. Is the leftmost the highest?',
    body: '<div data-part="tradeoff"></div>',
    want: ['history'],
    needs: ['history_step'],
    Kind: Tradeoff,
    at: recorded,
  },
  specialists: {
    label: 'True groups',
    question: 'Does even load mean that experts specialize?',
    note: 'Of each true group (columns; hidden from the model), the % whose first choice is this expert (rows), beside the expert’s load. Shuffled groups show what chance alone would match.',
    body: '<div class="mv-plots mv-wide" data-part="specialists"></div>',
    want: ['groups'],
    needs: ['group_share'],
    Kind: Specialists,
    at: measured,
  },
};
