"use strict";

// Opens from a folder: data comes as scripts that call `docgenie.document` (a line a document) and
// `docgenie.boxes` (on demand), because a page opened from a file may not fetch.
const docgenie = (() => {
  const SHEET = 24;
  // Each kind of box: [name, label, colour, title of one box].
  const KINDS = [
    ["fields", "Fields", "#d11a4a", (box) => `${box[4]}: ${box[5]}`],
    ["answers", "Answers", "#15803d", (box) => `${box[4]} → ${box[5]}`],
    ["entities", "Entities", "#b45309", (box) => `${box[4]}: ${box[5]}`],
    ["regions", "Regions", "#7e22ce", (box) => box[4]],
    ["lines", "Lines", "#0e7490", (box) => box[4]],
    ["words", "Words", "#1d4ed8", (box) => box[4]],
    ["ocr", "OCR", "#4d5d18", (box) => `${box[4]} (${Math.round(box[5] * 100)} %)`],
    ["handwriting", "Handwriting", "#4338ca", (box) => `${box[4]}: ${box[5]}`],
    ["visuals", "Visual elements", "#be185d", (box) => `${box[4]}: ${box[5]}`],
  ];
  const LISTED = ["fields", "answers", "entities", "handwriting", "visuals"];
  const documents = [];
  const boxes = new Map();
  const waiting = new Map();
  const shown = new Set(["fields", "regions"]);
  const byId = (id) => document.getElementById(id);
  let facts = {};
  let found = [];
  let sheet = 0;
  let open = null;

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  function draw(tag, attributes, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  function imagePath(entry, page) {
    return `img/${entry.id}${page ? `_p${page + 1}` : ""}.png`;
  }

  // The boxes of a document; its file is loaded once, however many ask.
  function boxesOf(entry) {
    if (boxes.has(entry.id)) return Promise.resolve(boxes.get(entry.id));
    if (!waiting.has(entry.file)) {
      waiting.set(entry.file, new Promise((resolve) => {
        const script = make("script", { src: `contact_sheet/boxes_${entry.file}.js` });
        script.onload = script.onerror = resolve;
        document.head.append(script);
      }));
    }
    return waiting.get(entry.file).then(() => boxes.get(entry.id) || []);
  }

  function overlay(entry, page) {
    const [width, height] = entry.pages[page];
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" });
    boxesOf(entry).then((pages) => {
      for (const [kind, , colour, title] of KINDS) {
        const found = (pages[page] || {})[kind];
        if (!found || !shown.has(kind)) continue;
        const group = draw("g", { class: kind, style: `--kind: ${colour}` });
        found.forEach((box, number) => {
          const [x, y, w, h] = box;
          const rect = draw("rect", { x, y, width: w, height: h, rx: 2, "data-box": `${kind} ${number}` });
          rect.append(draw("title", {}, title(box)));
          group.append(rect);
        });
        svg.append(group);
      }
    });
    return svg;
  }

  function pageView(entry, page, loading) {
    const [width, height] = entry.pages[page];
    const alt = `Page ${page + 1} of ${entry.id}`;
    const image = make("img", { src: imagePath(entry, page), loading, alt, width, height });
    const view = make("div", { class: "page", style: `aspect-ratio: ${width} / ${height}` }, image);
    view.append(overlay(entry, page));
    // The boxes are drawn anew without loading the image again.
    view.redraw = () => view.lastChild.replaceWith(overlay(entry, page));
    return view;
  }

  function tags(entry) {
    const pages = entry.pages.length > 1 ? `${entry.pages.length} pages` : "";
    return [entry.type, entry.language, entry.split, pages]
      .filter(Boolean)
      .map((text) => make("span", { class: "tag" }, text));
  }

  function card(entry) {
    const button = make("button", { class: "card", type: "button" }, pageView(entry, 0, "lazy"));
    button.append(make("span", { class: "caption" }, make("b", {}, entry.id), ...tags(entry)));
    button.onclick = () => view(found.indexOf(entry), 0);
    return make("li", {}, button);
  }

  function showSheet() {
    const sheets = Math.max(1, Math.ceil(found.length / SHEET));
    sheet = Math.min(Math.max(sheet, 0), sheets - 1);
    const here = found.slice(sheet * SHEET, (sheet + 1) * SHEET);
    byId("grid").replaceChildren(...here.map(card));
    byId("empty").hidden = found.length > 0;
    byId("pager").hidden = sheets === 1;
    byId("previous").disabled = sheet === 0;
    byId("next").disabled = sheet === sheets - 1;
    byId("position").textContent = `Sheet ${sheet + 1} of ${sheets}`;
  }

  function filter() {
    const wanted = ["type", "language", "split"].map((name) => [name, byId(name).value]);
    const text = byId("search").value.trim().toLowerCase();
    found = documents.filter((entry) =>
      wanted.every(([name, value]) => !value || entry[name] === value) &&
      (!text || `${entry.id} ${entry.type} ${entry.language}`.toLowerCase().includes(text)));
    sheet = 0;
    showSheet();
  }

  function toggles(place) {
    for (const [index, [kind, label, colour]] of KINDS.entries()) {
      const input = make("input", { type: "checkbox", "data-kind": kind });
      input.checked = shown.has(kind);
      input.onchange = () => toggle(kind);
      const parts = [input, make("i"), label, make("kbd", {}, String(index + 1))];
      place.append(make("label", { style: `--kind: ${colour}` }, ...parts));
    }
  }

  function toggle(kind) {
    if (!shown.delete(kind)) shown.add(kind);
    for (const input of document.querySelectorAll(`[data-kind="${kind}"]`)) {
      input.checked = shown.has(kind);
    }
    for (const page of document.querySelectorAll(".page")) page.redraw();
  }

  function light(name, on) {
    for (const element of document.querySelectorAll(`#viewer [data-box="${name}"]`)) {
      element.classList.toggle("lit", on);
    }
  }

  function lists(entry, page) {
    const place = byId("lists");
    place.replaceChildren();
    boxesOf(entry).then((pages) => {
      if (!open || found[open.at] !== entry || open.page !== page) return;
      const parts = [];
      for (const [kind, label, colour] of KINDS) {
        const items = LISTED.includes(kind) ? (pages[page] || {})[kind] || [] : [];
        if (items.length === 0) continue;
        const list = make("dl", { style: `--kind: ${colour}` });
        items.forEach((box, number) => {
          const row = make("div", { tabindex: 0, "data-box": `${kind} ${number}` });
          row.append(make("dt", {}, box[4]), make("dd", { dir: "auto" }, box[5]));
          list.append(row);
        });
        parts.push(make("h3", {}, `${label} (${items.length})`), list);
      }
      const file = (path, label) => make("li", {}, make("a", { href: path, target: "_blank" }, label));
      const files = make("ul", {},
        file(`pdf/pdf_final/${entry.id}.pdf`, "PDF"),
        file(imagePath(entry, page), "PNG"),
        file(`bbox/bbox_final/word/${entry.id}.json`, "words"));
      parts.push(make("h3", {}, "Files"), files);
      place.replaceChildren(...parts);
    });
  }

  function view(at, page) {
    const entry = found[at];
    if (!entry) return;
    open = { at, page: Math.min(page, entry.pages.length - 1), zoom: open ? open.zoom : 1 };
    byId("viewer-title").textContent = entry.id;
    byId("viewer-tags").replaceChildren(...tags(entry));
    const button = (_, number) => {
      const current = number === open.page ? "page" : null;
      const made = make("button", { type: "button", "aria-current": current }, `Page ${number + 1}`);
      made.onclick = () => view(at, number);
      return made;
    };
    byId("pages").replaceChildren(...(entry.pages.length > 1 ? entry.pages.map(button) : []));
    const stage = byId("stage");
    stage.replaceChildren(pageView(entry, open.page, "eager"));
    stage.scrollTo(0, 0);
    lists(entry, open.page);
    if (!byId("viewer").open) byId("viewer").showModal();
    fit();
  }

  // At zoom 1 the whole page is seen.
  function fit() {
    const stage = byId("stage");
    const [width, height] = found[open.at].pages[open.page];
    const room = Math.min((stage.clientWidth - 48) / width, (stage.clientHeight - 48) / height);
    stage.firstChild.style.width = `${width * room * open.zoom}px`;
  }

  function zoom(factor) {
    open.zoom = Math.min(8, Math.max(0.5, open.zoom * factor));
    fit();
  }

  const actions = {
    "zoom-in": () => zoom(1.25),
    "zoom-out": () => zoom(0.8),
    earlier: () => view(open.at - 1, 0),
    later: () => view(open.at + 1, 0),
    close: () => byId("viewer").close(),
  };
  const KEYS = { "+": "zoom-in", "=": "zoom-in", "-": "zoom-out", ArrowLeft: "earlier", ArrowRight: "later" };

  function key(event) {
    if (event.target.closest("input[type=search], select") || event.ctrlKey || event.metaKey || event.altKey) return;
    const kind = KINDS[Number(event.key) - 1];
    if (kind) toggle(kind[0]);
    else if (open && KEYS[event.key]) actions[KEYS[event.key]]();
    else if (open && event.key === "PageDown") view(open.at, open.page + 1);
    else if (open && event.key === "PageUp") view(open.at, Math.max(0, open.page - 1));
    else if (!open && event.key === "ArrowRight") byId("next").click();
    else if (!open && event.key === "ArrowLeft") byId("previous").click();
    else return;
    event.preventDefault();
  }

  function options(name, label) {
    const values = [...new Set(documents.map((entry) => entry[name]))].filter(Boolean).sort();
    const choices = values.map((value) => make("option", { value }, value));
    const select = byId(name);
    select.replaceChildren(make("option", { value: "" }, label), ...choices);
    select.hidden = values.length < 2;
    select.onchange = filter;
  }

  return {
    dataset: (given) => { facts = given; },
    document: (id, type, language, split, file, pages) =>
      documents.push({ id, type, language, split, file, pages }),
    boxes: (id, pages) => boxes.set(id, pages),
    start() {
      const pages = documents.reduce((sum, entry) => sum + entry.pages.length, 0);
      const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
      document.title = facts.name;
      byId("name").textContent = facts.name;
      byId("facts").textContent = [facts.description, count(documents.length, "document"), count(pages, "page")]
        .filter(Boolean).join(" · ");
      options("type", "All types");
      options("language", "All languages");
      options("split", "All splits");
      toggles(byId("kinds"));
      toggles(byId("viewer-kinds"));
      byId("search").oninput = filter;
      byId("filters").onsubmit = () => false;
      byId("previous").onclick = () => { sheet -= 1; showSheet(); scrollTo(0, 0); };
      byId("next").onclick = () => { sheet += 1; showSheet(); scrollTo(0, 0); };
      const viewer = byId("viewer");
      viewer.onclick = (event) => {
        const wanted = event.target.closest("[data-do]");
        if (wanted) actions[wanted.dataset.do]();
      };
      viewer.onclose = () => { open = null; };
      for (const [type, on] of [["mouseover", true], ["mouseout", false], ["focusin", true], ["focusout", false]]) {
        viewer.addEventListener(type, (event) => {
          const box = event.target.closest("[data-box]");
          if (box) light(box.dataset.box, on);
        });
      }
      addEventListener("keydown", key);
      addEventListener("resize", () => { if (open) fit(); });
      filter();
      const linked = documents.findIndex((entry) => `#${entry.id}` === location.hash);
      if (linked >= 0) view(linked, 0);
    },
  };
})();
