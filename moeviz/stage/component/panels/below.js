// What stands beside and below the map of one run: one chart beside it, all other charts and the panels in tabs.

/** @import { Charts } from '../charts/charts.js' */
/** @import { Panels } from './panels.js' */
import { PANELS } from './panels.js';
import { CHART_TITLES, chartHost, placeAll } from '../charts/place.js';
import { chooseAmong, tabPanel } from '../kit/tabs.js';

const SIDE_CHART = 'loss'; // drawn beside the map; all other charts share the tabs below

// Puts each chart in its place, and the panels after them: one chart beside the map, the rest in tabs below.
/** @type {(find: Find, templates: Templates, charts: Charts, panels: Panels) => void} */
export function placeBelow(find, templates, charts, panels) {
  if (find('charts')) placeAll(find('charts'), templates, charts);
  if (!find('side-chart')) return;
  const names = Object.keys(templates ?? {});
  find('side-chart').hidden = !names.includes(SIDE_CHART);
  if (names.includes(SIDE_CHART))
    charts.add(SIDE_CHART, chartHost(find('side-chart'), CHART_TITLES[SIDE_CHART]), templates[SIDE_CHART]);
  find('panels').replaceChildren();
  const titles = {};
  for (const name of names.filter((each) => each !== SIDE_CHART)) {
    titles[name] = CHART_TITLES[name] ?? name;
    charts.add(
      name,
      chartHost(tabPanel(find('panels'), 'mv-chart mv-panel', titles[name]), titles[name]),
      templates[name],
    );
  }
  for (const [name, { label }] of Object.entries(PANELS)) {
    titles[name] = label;
    panels.add(name, tabPanel(find('panels'), 'mv-panel', label));
  }
  chooseAmong(find('tabs'), titles, (_, chosen) => {
    [...find('panels').children].forEach((panel, index) => {
      panel.hidden = index !== chosen;
    });
  });
}
