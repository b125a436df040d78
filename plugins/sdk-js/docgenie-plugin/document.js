// The engine's documents, as long as they are lent: for one call.

import { saying } from './refusal.js';

// Calls with a document; what was lent goes back at its end, as the host demands.
export function lending(handle, work) {
  const document = new Document(handle);
  try {
    return work(document);
  } finally {
    document.giveBack();
  }
}

class Document {
  #handle;
  #pages = [];

  constructor(handle) {
    this.#handle = handle;
  }

  get id() {
    return this.#handle.id();
  }

  get index() {
    return this.#handle.index();
  }

  get language() {
    return this.#handle.language();
  }

  get kind() {
    return this.#handle.kind();
  }

  get meta() {
    return JSON.parse(this.#handle.meta());
  }

  get pages() {
    if (this.#pages.length === 0) {
      const count = this.#handle.pageCount();
      this.#pages = Array.from({ length: count }, (_, index) => new Page(this.#handle.page(index)));
    }
    return this.#pages;
  }

  groundTruth(format = 'docgenie') {
    const text = this.#handle.groundTruth(format);
    return text == null ? null : JSON.parse(text);
  }

  giveBack() {
    for (const page of this.#pages) page.handle[Symbol.dispose]();
    this.#handle[Symbol.dispose]();
  }
}

class Page {
  constructor(handle) {
    this.handle = handle;
  }

  get extent() {
    return this.handle.extent();
  }

  get pixels() {
    return this.handle.pixels() ?? null;
  }

  get words() {
    return this.handle.words();
  }

  get regions() {
    const parsed = (region) => ({ ...region, attributes: JSON.parse(region.attributes) });
    return this.handle.regions().map(parsed);
  }

  get text() {
    return this.handle.text();
  }

  image(format) {
    return saying((why) => why, () => this.handle.image(format));
  }

  inPixels({ x, y, width, height }) {
    const { extent, pixels } = this;
    if (!pixels) throw new Error('the pipeline makes no page images: add a stage `raster`');
    const across = pixels.width / extent.width;
    const down = pixels.height / extent.height;
    return { x: x * across, y: y * down, width: width * across, height: height * down };
  }
}
