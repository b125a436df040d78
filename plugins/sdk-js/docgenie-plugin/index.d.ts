/**
 * What a plugin of docgenie-engine is written with in JavaScript.
 *
 * A plugin is a module `plugin.js` whose default export says what it offers:
 *
 * ```js
 * import { element, xml } from 'docgenie-plugin';
 *
 * export default element({
 *   id: 'stamp',
 *   title: 'Stamp',
 *   summary: 'A word in a frame.',
 *   render({ area: { width, height }, content }) {
 *     return {
 *       svg: `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
 *         <text y="${height / 2}">${xml(content)}</text></svg>`,
 *     };
 *   },
 * });
 * ```
 *
 * **Places.** On a page everything is in PDF points (1/72 inch), origin at the top left of the page
 * as displayed, y down. In a picture that an element draws, everything is in the picture's own
 * pixels.
 *
 * **Errors.** Throw {@link BadParams} where the user can correct something, {@link Unsuitable} where
 * this one document or request cannot be served. Anything else that is thrown says that the plugin
 * is broken: it is not asked again in this run, and the stack is in the log.
 *
 * **Randomness.** The host seeds {@link random} anew for every call, so that results repeat;
 * `Math.random` is the same source. A plugin has no clock, no files and no network. `console` is
 * the log. All of these work within functions, not while a module is loaded.
 */

/** A JSON Schema (2020-12). */
export type JsonSchema = Record<string, unknown>;

/** A value that JSON can hold. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What the user has set under `with`; it fits the schema, and defaults are filled in. */
export type Params = Record<string, any>;

/** Something that its user can correct. */
export interface Problem {
  /** JSON Pointer into the params or the ground truth; without it, the whole of it. */
  pointer?: string;
  message: string;
  hint?: string;
}

/** What every kind of offer says of itself. */
export interface Offer<P = Params> {
  /** In kebab case, unique within the plugin. */
  id: string;
  /** What people call it. */
  title: string;
  /** One line. */
  summary: string;
  /** JSON Schema of an object: what its user may set. */
  params?: JsonSchema;
  /** Further facts, such as `{ label: 'seal', aspect: 1 }` for an element. */
  traits?: { [key: string]: Json };
  /** What is wrong with params that fit their schema. */
  check?(params: P): Problem[];
}

/** A picture's size in pixels. */
export interface Size {
  width: number;
  height: number;
}

/** A page's size in points. */
export interface Extent {
  width: number;
  height: number;
}

/** A point, in the space of what it belongs to. */
export interface Point {
  x: number;
  y: number;
}

/** On a page in points, in a picture in its pixels; `x` and `y` are its top left corner. */
export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A word: what stands between blanks on one line. */
export interface Word {
  /** In logical order, also where it is written right to left. */
  text: string;
  /** From ascent to descent. */
  bounds: Rect;
  /** Block on its page in reading order, from 0. */
  block: number;
  /** Line in its block, from 0. */
  line: number;
  /** Of its baseline, in degrees clockwise; 0 for upright text. */
  angle: number;
  /** In the unit of `bounds`, 0 where it is not known. */
  fontSize: number;
}

/** A labelled part of a page or picture. */
export interface Region {
  /** The same for all parts of one thing, such as a paragraph that goes on overleaf. */
  id: string;
  /**
   * On a page: `layout`, `cell`, `field`, `entity`, `answer`, `handwriting` or `visual-element`.
   */
  kind: string;
  /** Such as `table`, `invoice_number`, `ORG`, `stamp`. */
  label: string;
  bounds: Rect;
  /** Corners of a closed shape where it is not the rectangle itself; otherwise empty. */
  outline: Point[];
  /** Positions of its words among the words of the same page or picture. */
  words: number[];
  /** Further facts; `docs/plugins/wit.md` lists them by kind. */
  attributes: { [key: string]: Json };
}

/** What is to be drawn. */
export interface Request<P = Params> {
  /** The offer. */
  offer: string;
  params: P;
  /** What it should show, as the document's `data-content` says; may be empty. */
  content: string;
  /** The same key and seed give the same picture. */
  key: string;
  seed: number;
  /** The room on the page, in the picture's pixels. */
  area: Size;
  /** Pixels of the picture per inch of the page. */
  dpi: number;
  /** BCP 47 tag of the document. */
  language: string;
}

/** A picture and what can be read in it, all places in its own pixels from its top left. */
export interface Drawn {
  /**
   * A whole SVG document without scripts and external references. Its `width` and `height` are the
   * picture's pixels; fonts are the host's, by family name.
   */
  svg?: string;
  /**
   * The picture as pixels, instead: straight (not premultiplied) 8-bit RGBA, rows top to bottom,
   * without padding.
   */
  raster?: Size & { rgba: Uint8Array };
  /** Text that can be read in it. */
  words?: (Pick<Word, 'text' | 'bounds'> & Partial<Word>)[];
  /** Its labelled parts. */
  regions?: (Pick<Region, 'label' | 'bounds'> & Partial<Region>)[];
  /** What it shows, for the ground truth. */
  content?: { [key: string]: Json };
}

/**
 * A visual element: a stamp, a seal, a chart. Pure: the same request gives the same picture.
 */
export interface Element<P = Params> extends Offer<P> {
  /** The room it wants within the request's area, which is all of it unless said otherwise. */
  measure?(request: Request<P>): Size;
  /** Draws it. */
  render(request: Request<P>): Drawn;
}

/**
 * A form of ground truth. It takes part before a document is written, when it says what is to be
 * annotated, and once its boxes are known, when it makes and checks what the dataset will hold.
 */
export interface GroundTruthFormat<P = Params> extends Offer<P> {
  /** What the writer of a document must annotate and how, for its prompt. */
  instructions(params: P): string;
  /** JSON Schema that a writer's draft must satisfy. */
  draftSchema(params: P): JsonSchema;
  /** From what the writer annotated and the finished document to the final ground truth. */
  build(params: P, draft: any, document: Document): Json;
  /** What is not true of the document; pointers are into the ground truth. */
  verify?(params: P, truth: any, document: Document): Problem[];
}

/** What is to be exported. */
export interface Job<P = Params> {
  params: P;
  dataset: { name: string; description: string; seed: string; engine: string };
  /** How many documents are asked for; some may fail and never come. */
  expected: number | null;
}

/**
 * Writes documents in the form that a library or tool reads. What `begin` returns serves one
 * export: it is given each document in order and then finished. It never holds the documents: what
 * `add` is given it writes to a file.
 */
export interface DatasetExporter<P = Params> extends Offer<P> {
  begin(job: Job<P>): {
    /** Takes a document in. One that is unsuitable must be found so before anything is written. */
    add(document: Document): void;
    /** Ends the files and says what is in them. */
    finish(): Reconciliation;
  };
}

/** How much there is of what a format is about. */
export interface Tally {
  documents: number;
  images: number;
  boxes: number;
  labels: number;
}

/**
 * What an export took and what it wrote; the host fails an export in which the two differ. Count
 * `taken` where a document is read and `written` where a file is written, so that a thing lost in
 * between shows.
 */
export class Reconciliation {
  taken: Tally;
  written: Tally;
  /** Further facts for the user. */
  report: { [key: string]: Json };
}

/** A finished document. It and its pages are lent for one call and throw when they are asked later. */
export interface Document {
  /** `document_1` and so on; safe as a file name and steady for a seed. */
  readonly id: string;
  /** Counted from 0. Documents that failed leave gaps. */
  readonly index: number;
  /** BCP 47 tag such as `de`; empty where it is not known. */
  readonly language: string;
  /** Such as `invoice`; empty where it is not known. */
  readonly kind: string;
  /** Further facts. */
  readonly meta: { [key: string]: Json };
  readonly pages: Page[];
  /**
   * Final ground truth in a format: `docgenie`, which is the engine's own, or one of a plugin as
   * the pipeline names it, such as `plugin:kie`. `null` where there is none.
   */
  groundTruth(format?: string): any;
}

/** A page of a document. Each access asks the host: keep what is used twice. */
export interface Page {
  /** Points. */
  readonly extent: Extent;
  /** Pixels of the page's image; `null` where the pipeline makes none. */
  readonly pixels: Size | null;
  /** In reading order. */
  readonly words: Word[];
  /** Outer ones come before those within them. */
  readonly regions: Region[];
  /** Words joined by blanks, lines by line feeds, blocks by empty lines. */
  readonly text: string;
  /** The page's image, encoded. To write it, use {@link files}. */
  image(format: 'png' | 'jpeg'): Uint8Array;
  /** A rectangle of the page in pixels of its image. */
  inPixels(rect: Rect): Rect;
}

/** What a plugin exports as its default. */
export interface Plugin {
  kind: 'visual-element' | 'ground-truth-format' | 'dataset-exporter';
  offers: Offer[];
}

/** A plugin that draws. */
export function element(...offers: Element[]): Plugin;
/** A plugin that makes ground truth. */
export function groundTruthFormat(...offers: GroundTruthFormat[]): Plugin;
/** A plugin that exports. */
export function datasetExporter(...offers: DatasetExporter[]): Plugin;

/** The params are wrong: the run stops before it begins, and its user is told. */
export class BadParams extends Error {
  constructor(...problems: Problem[]);
  readonly problems: Problem[];
}

/** This document or request cannot be served. It is left out and counted; others go on. */
export class Unsuitable extends Error {}

/** Randomness that repeats. */
export const random: {
  /** A whole number of 32 random bits. */
  u32(): number;
  /** A number in [0, 1). */
  unit(): number;
  /** A number in [from, to). */
  between(from: number, to: number): number;
  /** One of them. */
  pick<T>(items: readonly T[]): T;
  /** At most 1 MiB. */
  bytes(count: number): Uint8Array;
};

/** Diagnostics: the host keeps 64 KiB a call and shows the last lines when a call fails. */
export const log: Record<'trace' | 'debug' | 'info' | 'warn' | 'error', (...parts: unknown[]) => void>;

/** A file that the plugin's folder has and its manifest names under `wants.assets`. */
export function asset(name: string): Uint8Array;

/** Text as it may stand in XML, in attributes too. */
export function xml(text: unknown): string;

/** Text is written as UTF-8. */
export type Content = string | Uint8Array;

/** A file of the dataset that grows by what is written. */
export interface File {
  write(content: Content): void;
  /** Ends it. */
  close(): void;
}

/** What an exporter writes. Paths are relative, with `/`, and each is written once. */
export const files: {
  /** Begins a file. */
  create(path: string): File;
  /** Writes a whole file. */
  put(path: string, content: Content): void;
  /** Writes the page's image; it does not pass through the plugin. */
  putImage(path: string, page: Page, format: 'png' | 'jpeg'): void;
};
