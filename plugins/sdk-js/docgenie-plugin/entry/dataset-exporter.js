import { create, put, putImage } from 'docgenie:plugin/sink@0.1.0';
import { answered, offersOf } from '../guest.js';
import { lending } from '../document.js';
import { connect, Reconciliation } from '../index.js';
import plugin from '../../../plugin.js';

connect({ create, put, putImage });
const { find, shared } = offersOf(plugin, 'dataset-exporter');

// One instance serves one export.
let running;

export const exporter = {
  ...shared,

  begin: ({ offer, params, dataset, expected }) =>
    answered(() => {
      running = find(offer).begin({
        params: JSON.parse(params),
        dataset: JSON.parse(dataset),
        expected: expected ?? null,
      });
    }),

  add: (handle) => answered(() => lending(handle, (document) => running.add(document))),

  finish: () =>
    answered(() => {
      const count = running.finish();
      if (!(count instanceof Reconciliation)) throw new Error('`finish` returned no Reconciliation');
      return { ...count, report: JSON.stringify(count.report) };
    }),
};
