// What the gray line of a time chart is: named in the chart, as long as it is drawn there.

import { plotSize, textWidth } from './marks.js';

const SPACE = 12; // pixels to what stands beside it

// Adds the name beside the chart's heading or legend; where it has no room there, in lines of its own above. Returns the
// pixels that these take, which labels of knob changes then stand above.
/** @type {(layout: ChartLayout, data: Trace[], words: string | null, host: HTMLElement, theme: Theme) => number} */
export function nameGhost(layout, data, words, host, theme) {
  const gray = data.find(({ meta, x, visible }) => meta.x === 'ghost_step' && visible !== false && x.length);
  if (!gray || !words) return 0;
  const { ghost_beside: beside, mark_row_height: high, mark_offset: offset } = layout.meta;
  const { width } = plotSize(host);
  const wide = textWidth(layout.font.size, theme);
  const style = {
    y: 1,
    xref: 'paper',
    yref: 'paper',
    yanchor: 'bottom',
    showarrow: false,
    name: 'ghost',
    bgcolor: theme.background,
    borderpad: 0,
  };
  const sample = `<span style="color:${gray.line.color}">━</span> `;
  const text = `gray: ${words}`;
  if (wide(`━ ${text}`) + SPACE <= width - beside) {
    layout.annotations.push({ ...style, text: sample + text, x: 1, xanchor: 'right' });
    return 0;
  }
  const lines = wrapped(`━ ${text}`, wide, width);
  layout.annotations.push({
    ...style,
    text: lines.join('<br>').replace('━ ', sample),
    x: 0,
    xanchor: 'left',
    align: 'left',
    yshift: offset,
  });
  const room = high * lines.length;
  layout.meta = { ...layout.meta, mark_offset: offset + room };
  return room;
}

// Words in as few lines as fit.
/** @type {(text: string, wide: (text: string) => number, width: number) => string[]} */
export function wrapped(text, wide, width) {
  const lines = [];
  for (const word of text.split(' ')) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && wide(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}
