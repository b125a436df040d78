// Between a plugin's offers, which are plain objects, and the functions that the host calls.

import { BadParams, Unsuitable, log } from './index.js';

const REQUIRED = {
  'visual-element': ['render'],
  'ground-truth-format': ['instructions', 'draftSchema', 'build'],
  'dataset-exporter': ['begin'],
};

// The offers of a plugin by id. What is missing is said when the plugin is built.
export function offersOf(plugin, kind) {
  if (plugin?.kind !== kind) {
    const is = plugin?.kind ? `is a ${plugin.kind}` : 'is no plugin';
    throw new Error(`what plugin.js exports as default ${is}, but docgenie-plugin.toml says \`kind = "${kind}"\``);
  }
  const offers = new Map();
  for (const offer of plugin.offers) {
    const name = `offer \`${offer.id}\``;
    for (const key of ['id', 'title', 'summary']) {
      if (typeof offer[key] !== 'string') throw new Error(`${name} has no text \`${key}\``);
    }
    for (const key of REQUIRED[kind]) {
      if (typeof offer[key] !== 'function') throw new Error(`${name} has no function \`${key}\``);
    }
    if (offers.has(offer.id)) throw new Error(`${name} is there twice`);
    offers.set(offer.id, offer);
  }
  return {
    find: (id) => {
      const offer = offers.get(id);
      if (!offer) throw new Error(`this plugin offers no \`${id}\``);
      return offer;
    },
    // What all kinds have.
    shared: {
      describe: () => logged(() => [...offers.values()].map(described)),
      checkParams: (id, params) =>
        logged(() => problems(offers.get(id)?.check?.(JSON.parse(params)))),
    },
  };
}

const described = ({ id, title, summary, params = { type: 'object' }, traits = {} }) => ({
  id,
  title,
  summary,
  paramsSchema: JSON.stringify(params),
  traits: JSON.stringify(traits),
});

// What a function of an offer returned, as JSON. Nothing, as where `return` is missing, would end the
// call without a word.
export function json(name, value) {
  const text = JSON.stringify(value);
  if (text === undefined) throw new Error(`\`${name}\` returned nothing`);
  return text;
}

export const problems = (found) =>
  (found ?? []).map(({ pointer = '', message, hint = null }) => ({ pointer, message, hint }));

// For functions that may fail: what is thrown becomes a failure that the host knows.
export function answered(work) {
  try {
    return work();
  } catch (error) {
    if (error instanceof Unsuitable) throw { tag: 'unsuitable', val: error.message };
    if (error instanceof BadParams) throw { tag: 'bad-params', val: problems(error.problems) };
    trace(error);
    throw { tag: 'broken', val: String(error) };
  }
}

// For functions that may not: the host says that the plugin broke off, the log says why.
export function logged(work) {
  try {
    return work();
  } catch (error) {
    trace(error);
    throw error;
  }
}

// The host shows the last five lines of the log: the message and the innermost places of the
// plugin's own code.
function trace(error) {
  const lines = String(error?.stack ?? '').split('\n');
  const places = lines.filter((line) => line.trim() && !line.includes('/docgenie-plugin/'));
  log.error([error, ...places.slice(0, 4)].join('\n'));
}

// Rounded to whole pixels, as the host wants sizes.
export const size = ({ width, height }) => ({
  width: Math.round(width),
  height: Math.round(height),
});

export const words = (list) =>
  list.map(({ text, bounds, block = 0, line = 0, angle = 0, fontSize = 0 }) => ({
    text,
    bounds,
    block,
    line,
    angle,
    fontSize,
  }));

export const regions = (list) =>
  list.map(({ id, kind = 'visual-element', label, bounds, outline = [], words = [], attributes = {} }, n) => ({
    id: id ?? `region_${n}`,
    kind,
    label,
    bounds,
    outline,
    words,
    attributes: JSON.stringify(attributes),
  }));
