// What a plugin is written with; `index.d.ts` documents it. The engine puts this package beside a
// plugin's modules when it builds it.

import { read } from 'docgenie:plugin/assets@0.1.0';
import { write } from 'docgenie:plugin/log@0.1.0';
import { fill, nextU32, unit } from 'docgenie:plugin/random@0.1.0';
import { saying } from './refusal.js';

export const element = (...offers) => ({ kind: 'visual-element', offers });

export const groundTruthFormat = (...offers) => ({ kind: 'ground-truth-format', offers });

export const datasetExporter = (...offers) => ({ kind: 'dataset-exporter', offers });

export class Unsuitable extends Error {
  name = 'Unsuitable';
}

export class BadParams extends Error {
  name = 'BadParams';

  constructor(...problems) {
    super(problems.map((problem) => problem.message).join('; '));
    this.problems = problems;
  }
}

export const random = {
  u32: nextU32,
  unit,
  between: (from, to) => from + (to - from) * unit(),
  pick: (items) => items[Math.floor(unit() * items.length)],
  bytes: fill,
};

const at = (level) => (...parts) => {
  // The host takes a line at a time.
  for (const line of parts.map(String).join(' ').split('\n')) write(level, line);
};

export const log = {
  trace: at('trace'),
  debug: at('debug'),
  info: at('info'),
  warn: at('warn'),
  error: at('error'),
};

export const asset = (name) => saying((why) => why, () => read(name));

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

export const xml = (text) => String(text).replace(/[&<>"']/g, (character) => ENTITIES[character]);

export class Reconciliation {
  taken = { documents: 0, images: 0, boxes: 0, labels: 0 };
  written = { documents: 0, images: 0, boxes: 0, labels: 0 };
  report = {};
}

// The host's sink, which only exporters have: their entry hands it over.
let sink;

export const connect = (host) => {
  sink = host;
};

const REFUSALS = {
  'bad-path': 'a path cannot be used',
  exists: 'a file cannot be written again',
  'over-quota': 'the dataset has grown too large',
  io: 'a file cannot be written',
};

const putting = (work) => saying(({ tag, val }) => `${REFUSALS[tag]}: ${val}`, work);

class File {
  #file;

  constructor(path) {
    this.#file = putting(() => sink.create(path));
  }

  write(content) {
    putting(() => this.#file.write(bytesOf(content)));
  }

  close() {
    this.#file[Symbol.dispose]();
  }
}

export const files = {
  create: (path) => new File(path),
  put: (path, content) => putting(() => sink.put(path, bytesOf(content))),
  putImage: (path, page, format) => putting(() => sink.putImage(path, page.handle, format)),
};

function bytesOf(content) {
  if (content instanceof Uint8Array) return content;
  if (typeof content !== 'string') throw new TypeError('what is written is a string or a Uint8Array');
  // QuickJS has no TextEncoder.
  const escaped = encodeURIComponent(content.toWellFormed());
  return Uint8Array.from(unescape(escaped), (byte) => byte.charCodeAt(0));
}

// A plugin has the host's randomness only, and no clock. What is built in would be frozen when the
// plugin is built, or end it without a word.
const noClock = () => {
  throw new Error('a plugin has no clock');
};

Math.random = unit;
globalThis.Date = class extends Date {
  constructor(...parts) {
    if (parts.length === 0) noClock();
    super(...parts);
  }

  static now = noClock;
};
globalThis.performance = { now: noClock };
globalThis.console = { ...log, log: log.info };
