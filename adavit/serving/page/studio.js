// The page: what its controls say is a recipe, and the server draws it.
import { ask, forget, sayTo } from "./asking.js";

const TILES = 24;
const SEED_END = 2n ** 64n;
const PIXELATED_BELOW = 128; // pixels of a side: larger images are enlarged smoothly

const by = (id) => document.getElementById(id);
const controls = by("controls");
let about = null;
let first = 0n; // seed of the first tile
let sliders = [];

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// The number that a field holds; null where it holds none.
function seedIn(field) {
  const text = field.value.trim();
  return /^[0-9]{1,20}$/.test(text) && BigInt(text) < SEED_END ? BigInt(text) : null;
}

function randomSeed() {
  return BigInt(crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000);
}

function ticked() {
  return [...by("layers").querySelectorAll("input:checked")].map((box) => box.value);
}

// What is asked of the server; null while a seed is no number.
function recipe() {
  const seed = seedIn(by("seed")), other = seedIn(by("other"));
  if (seed === null || (other === null && by("other").value.trim() !== "")) return null;
  const asked = shared({ seed });
  if (other !== null && ticked().length > 0) {
    asked.set("other", other);
    asked.set("layers", ticked().join(","));
  }
  const moved = sliders.filter((slider) => Number(slider.value) !== 0);
  if (moved.length > 0) asked.set("amounts", moved.map((s) => `${s.dataset.number}:${s.value}`).join(","));
  return asked;
}

// A seed with what the wall shows too.
function shared({ seed }) {
  const asked = new URLSearchParams({ seed, truncation: by("truncation").value });
  if (by("class").value !== "") asked.set("class", by("class").value);
  return asked;
}

// The layers in short: 0-3,5.
function ranges(numbers) {
  const parts = [];
  for (const number of numbers.map(Number)) {
    const last = parts.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else parts.push([number, number]);
  }
  return parts.map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join(",");
}

// Of a recipe alone: the controls may have been moved on meanwhile.
function inWords(asked) {
  const words = [`Seed ${asked.get("seed")}`];
  if (asked.has("class")) words.push(by("class").querySelector(`[value="${asked.get("class")}"]`).text);
  if (asked.has("other")) words.push(`layers ${ranges(asked.get("layers").split(","))} of seed ${asked.get("other")}`);
  if (Number(asked.get("truncation")) !== 1) words.push(`truncation ${asked.get("truncation")}`);
  for (const part of asked.has("amounts") ? asked.get("amounts").split(",") : []) {
    const [number, amount] = part.split(":");
    words.push(`direction ${number}: ${amount}`);
  }
  return words.join(", ");
}

// Puts a drawn image in the place of the one before.
function show(image, blob) {
  const before = image.src;
  image.src = URL.createObjectURL(blob);
  if (before) URL.revokeObjectURL(before);
}

// Takes away a drawn image that is not of what it stands beside any more.
function clear(image) {
  if (image.src) URL.revokeObjectURL(image.src);
  image.removeAttribute("src");
  delete image.dataset.recipe;
}

function nameOfFile(asked) {
  const mixed = asked.has("other") ? `-mix${asked.get("other")}` : "";
  return `seed${asked.get("seed").padStart(4, "0")}${mixed}`;
}

function draw() {
  const asked = recipe();
  for (const id of ["seed", "other"]) {
    const wrong = by(id).value.trim() !== "" || id === "seed" ? seedIn(by(id)) === null : false;
    by(id).setCustomValidity(wrong ? "A whole number from 0, below 2^64" : "");
    by(id).setAttribute("aria-invalid", wrong);
  }
  by("mixing").classList.toggle("unmixed", seedIn(by("other")) === null);
  by("truncation-shown").value = by("truncation").value;
  for (const slider of sliders) by(`${slider.id}-shown`).value = slider.value;
  mark();
  if (asked === null) { forget("picture"); return; }
  ask("picture", `picture?${asked}`, async (reply) => {
    show(by("picture"), await reply.blob());
    by("picture").alt = by("caption").textContent = inWords(asked);
    by("picture").dataset.recipe = asked;
    by("download-png").href = by("picture").src;
    by("download-png").download = `${nameOfFile(asked)}.png`;
  });
}

// The tiles that are chosen now.
function mark() {
  const seed = String(seedIn(by("seed"))), other = String(seedIn(by("other")));
  for (const tile of by("tiles").children) {
    tile.classList.toggle("mixed-in", tile.dataset.seed === other);
    if (tile.dataset.seed === seed) tile.setAttribute("aria-current", "true");
    else tile.removeAttribute("aria-current");
  }
}

function drawWall() {
  by("earlier").disabled = first === 0n;
  by("later").disabled = first + BigInt(TILES) >= SEED_END;
  by("shown").textContent = `${first} to ${first + BigInt(TILES - 1)}`;
  [...by("tiles").children].forEach((tile, index) => {
    const seed = first + BigInt(index), asked = shared({ seed }), image = tile.querySelector("img");
    if (tile.dataset.seed !== `${seed}`) clear(image);
    tile.dataset.seed = seed;
    tile.setAttribute("aria-label", `Seed ${seed}`);
    tile.querySelector("b").textContent = seed;
    tile.dataset.wanted = asked;
    if (image.dataset.recipe === `${asked}`) { forget(`tile ${index}`); return; }
    ask(`tile ${index}`, `picture?${asked}`, async (reply) => {
      const blob = await reply.blob();
      if (tile.dataset.wanted !== `${asked}`) return;  // the wall was turned on, or back, meanwhile
      show(image, blob);
      image.dataset.recipe = asked;
    });
  });
  mark();
}

function turnTo(seed) {
  const last = SEED_END - BigInt(TILES);
  first = seed < 0n ? 0n : seed > last ? last : seed;
  drawWall();
}

function pick(tile) {
  const which = document.querySelector("#picks input:checked").value;
  by(which).value = tile.dataset.seed;
  draw();
}

// Arrow keys go over the wall; Tab leaves it.
function walk(event) {
  const tiles = [...by("tiles").children], at = tiles.indexOf(event.target);
  const across = getComputedStyle(by("tiles")).gridTemplateColumns.split(" ").length;
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across };
  const to = event.key === "Home" ? 0 : event.key === "End" ? tiles.length - 1 : at + steps[event.key];
  if (at < 0 || !(to in tiles)) return;
  event.preventDefault();
  for (const tile of tiles) tile.tabIndex = -1;
  tiles[to].tabIndex = 0;
  tiles[to].focus();
}

function downloadLatent() {
  const asked = by("picture").dataset.recipe;
  if (!asked) return;
  ask("latent", `latent?${asked}`, async (reply) => {
    const url = URL.createObjectURL(await reply.blob());
    element("a", { href: url, download: `${nameOfFile(new URLSearchParams(asked))}-w.safetensors` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  });
}

function build() {
  document.title = `${about.title} · adavit studio`;
  by("title").textContent = about.title;
  by("described").textContent = about.described;
  by("warning").textContent = about.warning;
  by("warning").hidden = about.warning === "";
  by("truncation").max = about.largest_truncation;
  for (const { number, name } of about.classes) by("class").append(element("option", { value: number }, name));
  by("class-row").hidden = about.classes.length === 0;
  about.layers.forEach((side, number) => {
    const box = element("input", { type: "checkbox", value: number, "aria-label": `Layer ${number}, ${side} px` });
    if (number < about.layers.length / 2) box.setAttribute("checked", "");
    by("layers").append(element("label", { title: `${side} px` }, box, element("span", { "aria-hidden": "true" }, number)));
  });
  for (let number = 0; number < about.directions; number += 1) {
    const id = `direction-${number}`, range = { min: -about.reach, max: about.reach, step: 0.1, value: 0 };
    const slider = element("input", { type: "range", id, "data-number": number, ...range });
    const shown = element("output", { id: `${id}-shown`, for: id }, "0");
    by("directions").append(
      element("div", { class: "slider" }, element("label", { for: id }, `Direction ${number}`), shown, slider),
    );
    sliders.push(slider);
  }
  const ground = about.transparent ? " chequered" : "";
  for (let index = 0; index < TILES; index += 1) {
    const face = element("span", { class: `face${ground}` }, element("img", { alt: "" }));
    const tabindex = index === 0 ? 0 : -1;
    by("tiles").append(element("button", { type: "button", class: "tile", tabindex }, face, element("b")));
  }
  by("frame").className += ground;
  document.body.classList.toggle("pixelated", Math.max(about.height, about.width) < PIXELATED_BELOW);
  document.body.style.setProperty("--shape", String(about.width / about.height));
}

function listen() {
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.addEventListener("input", draw);
  for (const id of ["truncation", "class"]) by(id).addEventListener("change", drawWall);
  controls.addEventListener("reset", () => {
    const seed = by("seed").value;
    setTimeout(() => { by("seed").value = seed; draw(); drawWall(); }); // once the form is as it began
  });
  for (const button of controls.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => {
      const seed = (seedIn(by("seed")) ?? 0n) + BigInt(button.dataset.step);
      if (seed >= 0n && seed < SEED_END) by("seed").value = seed;
      draw();
    });
  }
  for (const button of controls.querySelectorAll("[data-random]")) {
    button.addEventListener("click", () => { by(button.dataset.random).value = randomSeed(); draw(); });
  }
  by("unmix").addEventListener("click", () => { by("other").value = ""; draw(); });
  by("download-latent").addEventListener("click", downloadLatent);
  by("tiles").addEventListener("click", (event) => {
    const tile = event.target.closest(".tile");
    if (tile) pick(tile);
  });
  by("tiles").addEventListener("keydown", walk);
  by("earlier").addEventListener("click", () => turnTo(first - BigInt(TILES)));
  by("later").addEventListener("click", () => turnTo(first + BigInt(TILES)));
  by("anywhere").addEventListener("click", () => turnTo(randomSeed()));
}

sayTo((text, trouble = false) => {
  by("status").textContent = text;
  by("status").classList.toggle("trouble", trouble);
});
ask("about", "about", async (reply) => {
  about = await reply.json();
  build();
  listen();
  draw();
  drawWall();
});
