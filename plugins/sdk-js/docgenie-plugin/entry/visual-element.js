import { answered, offersOf, regions, size, words } from '../guest.js';
import plugin from '../../../plugin.js';

const { find, shared } = offersOf(plugin, 'visual-element');

const read = (request) => ({ ...request, params: JSON.parse(request.params) });

function picture({ svg, raster }) {
  if (typeof svg === 'string') return { tag: 'svg', val: svg };
  if (!raster) throw new Error('`render` returned neither `svg` nor `raster`');
  return { tag: 'raster', val: { size: size(raster), rgba: raster.rgba } };
}

export const element = {
  ...shared,

  measure: (request) =>
    answered(() => size(find(request.offer).measure?.(read(request)) ?? request.area)),

  render: (request) =>
    answered(() => {
      const drawn = find(request.offer).render(read(request));
      return {
        picture: picture(drawn),
        words: words(drawn.words ?? []),
        regions: regions(drawn.regions ?? []),
        content: JSON.stringify(drawn.content ?? {}),
      };
    }),
};
