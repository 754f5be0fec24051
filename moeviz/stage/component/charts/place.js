// Where charts stand: each in a box with its title, in the order of the page's templates.

/** @import { Charts } from './charts.js' */

export const CHART_TITLES = {
  loss: 'Losses',
  metric: 'Accuracy',
  load: 'Load over time',
  uneven: 'Unevenness of load',
  match: 'Match with true groups',
  dropped: 'Dropped when tested, and by chance',
};

// Every chart with its title, side by side; `titles` are those of charts that only one layout has.
/** @type {(host: HTMLElement, templates: Templates | undefined, charts: Charts, titles?: Record<string, string>) => void} */
export function placeAll(host, templates, charts, titles = {}) {
  host.replaceChildren();
  for (const [name, template] of Object.entries(templates ?? {})) {
    const box = document.createElement('figure');
    const panel = Object.assign(document.createElement('div'), { className: 'mv-chart' });
    panel.setAttribute('role', 'img');
    box.append(
      Object.assign(document.createElement('figcaption'), {
        className: 'mv-heading',
        textContent: titles[name] ?? CHART_TITLES[name],
      }),
      panel,
    );
    host.append(box);
    charts.add(name, chartHost(panel, titles[name] ?? CHART_TITLES[name]), template);
  }
}

/** @type {(panel: HTMLElement, title: string) => Element} */
export function chartHost(panel, title) {
  panel.replaceChildren(document.createElement('div'));
  panel.setAttribute('aria-label', `${title} over training steps`);
  return panel.firstElementChild;
}
