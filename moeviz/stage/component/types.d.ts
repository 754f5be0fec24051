// What the scripts say to each other, for `tsc --checkJs`; known in every script without an import. Header and Arrays are in
// frame.d.ts.

/** The numbers of an array, flat and in C order. */
type NumberArray = Uint8Array | Int16Array | Int32Array | Float32Array;

/** NumberArray by place: a list, or an array of a frame. */
type Values = ArrayLike<number> & Iterable<number>;

interface FrameArray<Data extends NumberArray = NumberArray> {
  data: Data;
  shape: number[];
  /** How many numbers each run has. */
  stride: number;
  /** The part of a run; an array with one axis belongs to all runs alike. */
  of(run: number): Data;
}

interface Frame {
  header: Header;
  arrays: Arrays;
}

type View = Header['view'];
type Choice = Header['choice'][number];

/** One value for each run (and expert); of a model with several layers a list of them instead, one for each layer. */
// biome-ignore lint/suspicious/noExplicitAny: which of both it is, the page knows by its task
type PerRunOrLayer = any[];

type Value = boolean | number | string | null;

/** What was changed by hand at a step, in these runs: a knob, by its short name, or how an expert is treated. */
interface Mark {
  step: number;
  runs: number[];
  knob?: string;
  before?: Value;
  after?: Value;
  /** Its letter. */
  expert?: string;
  now?: 'killed' | 'frozen' | 'free';
}

interface Tape {
  steps: number[];
  end: number;
  megabytes: number;
  limit: number;
  rows: number;
}

/** What draws on a canvas, whether it is on the page or not. */
type Pen = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

type Point = [x: number, y: number];

/** What a run's tokens are drawn from: places, targets, and who got them. */
interface Points {
  xy: Values;
  target: Values;
  train: Values;
  version: number;
  choice?: Values;
  kept?: Values | null;
  choiceVersion?: string;
}

interface Theme {
  text: string;
  background: string;
  font: string;
  /** Pixels of the page's text. */
  size: number;
}

/** A part of the skeleton by its name; what kind of element it is, is written there. */
// biome-ignore lint/suspicious/noExplicitAny: a button, a canvas, a select: the skeleton decides
type Find = (part: string) => any;

/** What the browser asks of a run; moeviz/engine/messages.py has the same for the server, which checks it. */
type Message =
  | { op: 'view'; credit: number; want: string[] | null; probe: Point | null }
  | { op: 'play' | 'pause' | 'reset' | 'recover' | 'branch' }
  | { op: 'step'; n: number }
  | { op: 'rewind'; step: number }
  | { op: 'speed'; value: Header['speed'] }
  | { op: 'hidden'; value: boolean }
  | { op: 'ghost'; value: string }
  | { op: 'treat'; expert: number; how: string; twin: number | null }
  | { op: 'give'; value: string | number[] };
/** What it is told, besides frames. */
type Said = { op: 'notice' | 'error' | 'busy'; message: string } | { op: 'gone'; reason: string; refused?: boolean };
type Send = (message: Message) => unknown;

/** Templates of the time charts by name, made by moeviz/figures: plotly figures without data. */
type Templates = Record<string, { data: Trace[]; layout: ChartLayout }>;
// biome-ignore lint/suspicious/noExplicitAny: plotly's own, and what moeviz/figures says in `meta`
type Trace = any;
// biome-ignore lint/suspicious/noExplicitAny: the same
type ChartLayout = any;

/** What the page's Python mounts the stage with: moeviz/ui/live.py. */
interface PageData {
  /** Of the run; null in a saved page, which has its one frame in `saved`. */
  token: string | null;
  saved?: ArrayBuffer;
  layout: string;
  titles: string[];
  probe: Point | null;
  view: View;
  present: boolean;
  keys: boolean;
  lesson: string | null;
  story: string;
  presets: string[];
  save: number;
  ghost: string | null;
  warm: number;
  code: Record<string, { place: string; source: string }[]>;
  numbers: [label: string, name: string, digits: number][];
  losses: [label: string, balanced: number][];
  measures: Measure[];
  whys: string[];
  knob: string;
  section: string;
  names: Record<string, string[]>;
  charts: Templates;
}

/** A column of curves: its name, the array of each run, the ends of its scale where it has them. */
interface Measure {
  label: string;
  arrays: string[];
  low?: number;
  high?: number;
  digits: number;
}

/** The component as Streamlit hands it over. */
interface Component {
  parentElement: HTMLElement;
  data: PageData;
  setStateValue(name: string, value: unknown): void;
  setTriggerValue(name: string, value: unknown): void;
}

/** What each page has of its own: asked for what to want, handed frames, drawn by the stage that it is made with. */
interface Layout {
  /** Whether something has been drawn. */
  drawn: boolean;
  /** The name of the map's picture; null where there is no map to ask for. */
  picture: string | null;
  /** Whether to ask for `wants` before the first frame. */
  always?: boolean;
  wants(header?: Header): string[];
  draw(frame: Frame, theme: Theme): void;
  /** Says the picture in words, for those who hear it. */
  describe(): void;
  /** Another run is to be shown. */
  forget(): void;
  close(): void;
  /** A rerun of the page; without it the page is arranged anew when its titles change. */
  follow?(before: PageData, data: PageData): void;
  /** Where the charts go; without it they go below. */
  placeCharts?(templates: Templates, charts: import('./charts/charts.js').Charts): void;
  /** For the keys: what can be hidden, the expert of a letter, and a step back or on. */
  cover?: { toggle(): void };
  typed?(key: string): number;
  point?(expert: number): void;
  go?(by: number): void;
}

/** One way to draw a run's picture, of which one picture has one. */
interface RunView {
  ready(header: Header, arrays: Arrays, points?: Points | null, picture?: string): boolean;
  draw(scene: RunScene): void;
  /** Where the probe's ring stands, in pixels. */
  anchor(position: Point): Point | number[] | null;
  close(): void;
}

interface RunScene {
  header: Header;
  arrays: Arrays;
  run: number;
  theme: Theme;
  points?: Points | null;
  picture?: string;
  pointed?: number | null;
}

/** What the journey's formulas, cards and tiles say about the token at the probe: see token.js. */
type Token = ReturnType<typeof import('./pages/journey/token.js').tokenOf>;

/** A stop of a token's way: its column shows cells of all experts, or its body (null: a picture of many inputs). */
interface Stop {
  name: string;
  title: string;
  says: string | ((token: Token) => string);
  foot(token: Token): string;
  cells?(token: Token): Record<string, unknown>[];
  body?(token: Token): [name: string, value: string | { marker: number }][] | null;
}

/** Pieces of MathML, a list for each line. */
type Lines = string[][];

/** Stripes: their direction in degrees, and how many of eight pixels they take. */
type Pattern = { turn: number; wide: number };

/** The seats of a batch: see routers.js. */
type Batch = ReturnType<typeof import('./pages/routers/routers.js').batchOf>;

/** What a token came to, and what it would have with the best expert alone. */
interface Outcome {
  loss: number;
  best: number;
  /** Of the best expert. */
  name: string;
  asked: string[];
  chosen: boolean;
  weight: number;
  choosing: Choice;
  shared: boolean;
}

/** An axis of a small plot. */
type Axis = { title: string; low: number; high: number };

/** A mark as a chart shows it: with the titles of its runs, unless all that are drawn have it. */
type OwnMark = Mark & { whose?: string };

/** As many marks as one slider left, as one: its last step, and whether it came back to where it began. */
type JoinedMark = OwnMark & { last: number; back: boolean };

type MarkLabel = { step: number; marks: JoinedMark[] };

/** Who hears a run's socket. */
interface Hearing {
  frame(buffer: ArrayBuffer): void;
  message(message: Said): void;
  state(state: 'open' | 'closed' | 'gone' | 'shown'): void;
}

interface Window {
  // biome-ignore lint/suspicious/noExplicitAny: plotly.js, which the server's own plotly package brings
  Plotly?: any;
}

/** A square on a picture, in pixels. */
type Box = { x: number; y: number; side: number };

/** Where an expert's letter stands: a cell, and how many cells it is to a border. */
type LetterPlace = { cell: number; depth: number };

/** How far a scale of loads goes. */
type LoadScale = { experts: number; top: number };

/** What a reader makes of parts that are printed rounded. */
type Recomputing = (round: (part: number) => number) => number;

/** One expert's outcome on a card of the journey. */
interface Tile {
  shown: string | Node;
  number: string;
  text: string;
  detail?: string;
  note?: string;
  /** A signed share of the card's width. */
  rod?: number;
  taken?: boolean;
}

type Lab = import('./pages/lab/lab.js').Lab;
type Stage = import('./shell/run_stage.js').Stage;
