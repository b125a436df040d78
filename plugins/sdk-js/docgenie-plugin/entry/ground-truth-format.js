import { answered, logged, offersOf, problems } from '../guest.js';
import { lending } from '../document.js';
import plugin from '../../../plugin.js';

const { find, shared } = offersOf(plugin, 'ground-truth-format');

export const groundTruth = {
  ...shared,

  instructions: (offer, params) => answered(() => find(offer).instructions(JSON.parse(params))),

  draftSchema: (offer, params) =>
    answered(() => JSON.stringify(find(offer).draftSchema(JSON.parse(params)))),

  build: (offer, params, draft, handle) =>
    answered(() =>
      lending(handle, (document) =>
        JSON.stringify(find(offer).build(JSON.parse(params), JSON.parse(draft), document)),
      ),
    ),

  verify: (offer, params, truth, handle) =>
    logged(() =>
      lending(handle, (document) =>
        problems(find(offer).verify?.(JSON.parse(params), JSON.parse(truth), document)),
      ),
    ),
};
