import { answered, json, logged, offersOf, problems } from '../guest.js';
import { lending } from '../document.js';
import plugin from '../../../plugin.js';

const { find, shared } = offersOf(plugin, 'ground-truth-format');

export const groundTruth = {
  ...shared,

  instructions: (offer, params) =>
    answered(() => {
      const text = find(offer).instructions(JSON.parse(params));
      if (typeof text !== 'string') throw new Error('`instructions` returned no text');
      return text;
    }),

  draftSchema: (offer, params) =>
    answered(() => json('draftSchema', find(offer).draftSchema(JSON.parse(params)))),

  build: (offer, params, draft, handle) =>
    answered(() =>
      lending(handle, (document) =>
        json('build', find(offer).build(JSON.parse(params), JSON.parse(draft), document)),
      ),
    ),

  verify: (offer, params, truth, handle) =>
    logged(() =>
      lending(handle, (document) =>
        problems(find(offer).verify?.(JSON.parse(params), JSON.parse(truth), document)),
      ),
    ),
};
