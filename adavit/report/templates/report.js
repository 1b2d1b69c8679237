"use strict";
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const byId = (id) => document.getElementById(id);
  const COLOURS = ["#3b6fd4", "#d98a00", "#d9534a", "#2f9e7f", "#8c5bd6", "#c2528b", "#6b8e23", "#0f9bb5", "#a5673f", "#7a7f87"];
  const DASHES = ["solid", "dash", "dot", "dashdot"];
  const plots = []; // { element, traces(), layout(), title }

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const kimgText = (kimg) => `${Number(kimg.toFixed(3))} kimg`;
  // Labels are anyone's; plotly would read tags in them.
  const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const narrow = matchMedia("(max-width: 600px)");
  const short = (text, most = narrow.matches ? 16 : 40) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

  // ---- theme -------------------------------------------------------------------------------
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  function themeChanged() {
    byId("theme").textContent = isDark() ? "Light" : "Dark";
    byId("theme").setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
    drawAll();
  }
  byId("theme").hidden = false;
  byId("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    themeChanged();
  });
  system.addEventListener("change", themeChanged);

  // ---- plots -------------------------------------------------------------------------------
  const SCREEN = () => ({ ink: css("--ink"), soft: css("--soft"), line: css("--line"), paper: "rgba(0,0,0,0)" });
  const PRINT = { ink: "#1c1f21", soft: "#595f64", line: "#e3e3de", paper: "#ffffff" };

  function axis(title, theme, more = {}) {
    return {
      title: { text: title, font: { size: 12, color: theme.soft }, standoff: 8 }, gridcolor: theme.line, zerolinecolor: theme.line,
      linecolor: theme.line, tickfont: { size: 11, color: theme.soft }, automargin: true, exponentformat: "none", ...more,
    };
  }
  function baseLayout(theme, more) {
    return {
      margin: { l: 8, r: 12, t: 12, b: 8 }, paper_bgcolor: theme.paper, plot_bgcolor: theme.paper, showlegend: false,
      font: { family: getComputedStyle(document.body).fontFamily, color: theme.ink, size: 12 },
      hoverlabel: { font: { size: 12 } }, hovermode: "closest",
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom", // a finger scrolls the page
      ...more,
    };
  }
  function draw(plot) {
    Plotly.react(plot.element, plot.traces(SCREEN()), plot.layout(SCREEN()), { responsive: true, displayModeBar: false });
  }
  const drawAll = () => plots.forEach(draw);

  function downloadButtons(plot, holder) {
    for (const format of ["png", "svg"]) {
      const button = element("button", { type: "button", "aria-label": `Download the figure ${plot.title()} as ${format.toUpperCase()}` }, format.toUpperCase());
      button.addEventListener("click", () => {
        const layout = { ...plot.layout(PRINT), title: { text: plain(plot.title()), font: { size: 16 } }, showlegend: plot.legend !== false };
        layout.margin = { l: 60, r: 30, t: 60, b: 50 };
        Plotly.downloadImage(
          { data: plot.traces(PRINT), layout },
          { format, width: 1000, height: 560, scale: format === "png" ? 2 : 1, filename: `adavit-${plot.title().replace(/[^\w.-]+/g, "-")}` },
        );
      });
      holder.append(button);
    }
  }

  // Saves what the picture shows when it is clicked.
  function saveButton(image, name) {
    const button = element("button", { type: "button", "aria-label": `Download the picture ${name}` }, "WebP");
    button.addEventListener("click", () => element("a", { href: image.src, download: `adavit-${name.replace(/[^\w.-]+/g, "-")}.webp` }).click());
    return button;
  }

  function panel(title, { wide = false, note = "", control = null, ...plot }) {
    const head = element("div", { class: "panel-head" });
    const heading = element("h3", {}, title);
    if (control) heading.append(" ", control);
    const buttons = element("span", { class: "downloads" });
    head.append(heading, buttons);
    const figure = element("div", { class: "plot", role: "img", "aria-label": `Curve: ${title}` });
    const card = element("article", { class: wide ? "panel wide" : "panel" }, head, figure);
    const caption = element("p", { class: "note" }, note);
    card.append(caption);
    byId("panels").append(card);
    const made = { title: () => title, ...plot, element: figure, caption };
    plots.push(made);
    downloadButtons(made, buttons);
    return made;
  }

  // A distance falls over decades; ticks at 1, 2, 5 read better than plotly's own on a logarithmic axis.
  function valueAxis(name, values, theme) {
    const low = Math.min(...values), high = Math.max(...values);
    if (!(low > 0 && high / low > 6)) return axis(plain(name), theme);
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
      for (const digit of [1, 2, 5]) ticks.push(Number((digit * 10 ** power).toPrecision(1)));
    }
    return axis(plain(`${name} (logarithmic)`), theme, { type: "log", tickvals: ticks, ticktext: ticks.map(String) });
  }

  // ---- ranking -----------------------------------------------------------------------------
  function ranking() {
    if (!data.ranking.length) return;
    const card = byId("ranking"), select = byId("ranking-metric"), figure = card.querySelector(".plot");
    data.ranking.forEach((metric, index) => select.append(element("option", { value: index }, metric.title)));
    const chosen = () => data.ranking[Number(select.value)];
    const ordered = () => {
      const sign = chosen().better === "higher" ? 1 : -1;
      return [...chosen().rows].sort((a, b) => sign * (a.mean - b.mean)); // plotly draws upwards
    };
    const severalSeeds = () => chosen().rows.some((row) => row.values.length > 1);
    // Two rows may share a label, so their places on the axis are numbers.
    const colour = (row, theme) => (row.baseline ? theme.soft : css("--accent"));
    const plot = {
      element: figure, title: () => chosen().title, legend: false,
      traces: (theme) => {
        const rows = ordered();
        const names = rows.map((row) => plain(short(row.label)));
        return [
          { type: "scatter", mode: "markers", visible: severalSeeds(), x: rows.map((r) => r.mean), y: rows.map((_, i) => i), text: names, hovertemplate: "%{text}: %{x:.4g}<extra>mean</extra>",
            marker: { symbol: "line-ns", size: 20, line: { width: 3, color: rows.map((r) => colour(r, theme)) } } },
          { type: "scatter", mode: "markers", x: rows.flatMap((r) => r.values), y: rows.flatMap((r, i) => r.values.map(() => i)),
            text: rows.flatMap((r, i) => r.values.map(() => names[i])), hovertemplate: "%{text}: %{x:.4g}<extra>seed</extra>",
            marker: { size: 9, opacity: 0.6, color: rows.flatMap((r) => r.values.map(() => colour(r, theme))) } },
        ];
      },
      layout: (theme) => {
        const rows = ordered();
        const lines = rows.filter((r) => r.baseline).map((r) => ({
          type: "line", x0: r.mean, x1: r.mean, y0: -0.6, y1: rows.length - 0.4, layer: "below", line: { color: theme.soft, width: 1, dash: "dash" },
        }));
        const better = chosen().better === "higher" ? "higher is better" : "lower is better";
        return baseLayout(theme, {
          shapes: lines, margin: { l: 8, r: 20, t: 8, b: 8 },
          xaxis: axis(plain(narrow.matches ? better : `${chosen().title} (${better})`), theme),
          yaxis: axis("", theme, {
            tickvals: rows.map((_, i) => i), ticktext: rows.map((r) => plain(short(r.label))), range: [-0.6, rows.length - 0.4],
            tickfont: { size: 12, color: theme.ink }, zeroline: false,
          }),
        });
      },
    };
    const size = () => {
      figure.style.height = `${70 + 30 * chosen().rows.length}px`;
      const baselines = chosen().rows.filter((row) => row.baseline).length;
      const baseline = ["", " The dashed line is the baseline."][baselines] ?? " Dashed lines are the baselines.";
      card.querySelector(".note").textContent = (severalSeeds() ? "Dots are seeds, bars their means." : "A dot is a run.") + baseline;
    };
    size();
    card.hidden = false;
    select.addEventListener("change", () => { size(); draw(plot); });
    plots.push(plot);
    downloadButtons(plot, card.querySelector(".downloads"));
  }

  // ---- curves ------------------------------------------------------------------------------
  const { rows, runs, metrics } = data.curves;
  const shown = rows.map(() => true);
  let coloured = 0;
  const styles = rows.map((row) => {
    if (row.baseline) return { colour: null, dash: "solid" }; // the ink of the theme
    const index = coloured++;
    return { colour: COLOURS[index % COLOURS.length], dash: DASHES[Math.floor(index / COLOURS.length) % DASHES.length] };
  });
  const colourOf = (row, theme) => styles[row].colour || theme.ink;

  // One line per seed, and their mean on top where they were logged at the same places.
  function lines(theme, pick) {
    const traces = [];
    rows.forEach((row, index) => {
      if (!shown[index]) return;
      const found = runs.filter((run) => run.row === index).map((run) => ({ run, curve: pick(run) })).filter((item) => item.curve);
      if (!found.length) return;
      const alike = found.length > 1 && found.every(({ curve }) => curve.x.length === found[0].curve.x.length && curve.x.every((x, i) => x === found[0].curve.x[i]));
      const style = (width, opacity) => ({ opacity, line: { color: colourOf(index, theme), width, dash: styles[index].dash } });
      found.forEach(({ run, curve }, order) => traces.push({
        type: "scatter", mode: curve.x.length < 15 ? "lines+markers" : "lines", x: curve.x, y: curve.y, name: plain(row.label), legendgroup: String(index),
        showlegend: order === 0 && !alike, marker: { size: 4, color: colourOf(index, theme) },
        hovertemplate: `%{y:.4g} at %{x:g} kimg<extra>${plain(short(row.label))}, seed ${run.seed}</extra>`, ...style(alike ? 1 : 2, alike ? 0.35 : 1),
      }));
      if (!alike) return;
      const mean = found[0].curve.x.map((_, i) => {
        const values = found.map(({ curve }) => curve.y[i]);
        return values.includes(null) ? null : values.reduce((sum, y) => sum + y, 0) / values.length;
      });
      traces.push({
        type: "scatter", mode: "lines", x: found[0].curve.x, y: mean, name: plain(row.label), legendgroup: String(index),
        hovertemplate: `%{y:.4g} at %{x:g} kimg<extra>${plain(short(row.label))}, mean</extra>`, ...style(2.5, 1),
      });
    });
    return traces;
  }
  const isCurve = (pick) => runs.some((run) => pick(run) && pick(run).x.length > 1); // a dot alone is in the table
  const X_TITLE = "thousands of real images seen (kimg)";

  function metricPanel(key) {
    const metric = metrics[key];
    const title = metric.letter ? `${metric.name} [${metric.letter}]` : metric.name;
    const pick = (run) => run.metrics[key] && { x: run.metrics[key].kimg, y: run.metrics[key].values };
    if (!isCurve(pick)) return;
    // Far below all figures it would take the room from them.
    const lowest = Math.min(...runs.flatMap((run) => (pick(run) ? pick(run).y : [])));
    const floors = metric.better === "lower" ? metric.floors.filter((floor) => floor.value > lowest / 5) : [];
    const heldout = floors.map((floor) => floor.images || "the").join(" and of ");
    panel(title, {
      note: `${metric.better === "lower" ? "Lower" : "Higher"} is better.${floors.length ? ` Dashed: the score of ${heldout} held-out real images; few images score worse than many.` : ""}`,
      traces: (theme) => lines(theme, pick),
      layout: (theme) => {
        const values = runs.flatMap((run) => (shown[run.row] && pick(run) ? pick(run).y : []));
        const visible = floors.map((floor) => floor.value);
        return baseLayout(theme, {
          xaxis: axis(X_TITLE, theme), yaxis: valueAxis(metric.name, values.length ? [...values, ...visible] : [1], theme),
          shapes: visible.map((y) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, line: { color: theme.soft, width: 1, dash: "dash" } })),
        });
      },
    });
  }

  function statePanel(name, title, note, { clip = Infinity, ...range } = {}) {
    const pick = (run) => run[name] && { x: run.kimg, y: run[name] };
    if (!isCurve(pick)) return;
    panel(title, {
      note, traces: (theme) => lines(theme, pick),
      layout: (theme) => {
        const beyond = runs.some((run) => shown[run.row] && pick(run) && pick(run).y.some((y) => Math.abs(y) > clip));
        return baseLayout(theme, { xaxis: axis(X_TITLE, theme), yaxis: axis("", theme, beyond ? { range: [-clip, clip] } : range) });
      },
    });
  }

  function logitPanel() {
    const able = rows.map((_, index) => index).filter((index) => runs.some((run) => run.row === index && run.kimg.length > 1 && (run.train || run.generated)));
    if (!able.length) return;
    const select = element("select", { id: "logit-row", "aria-label": "Row whose logits are shown" });
    able.forEach((index) => select.append(element("option", { value: index }, rows[index].label)));
    const kinds = [["train", "training images", "#3b6fd4", "blue"], ["heldout", "held-out images", "#d98a00", "orange"], ["generated", "generated images", "#c2528b", "pink"]];
    const made = panel("Mean logits of", {
      wide: true, control: select, title: () => `Mean logits of ${rows[Number(select.value)].label}`,
      traces: () => kinds.flatMap(([name, label, colour]) => runs.filter((run) => run.row === Number(select.value) && run[name]).map((run, order) => ({
        type: "scatter", mode: "lines", x: run.kimg, y: run[name], name: label, legendgroup: name, showlegend: order === 0, opacity: order ? 0.45 : 1, line: { color: colour, width: 2 },
        hovertemplate: `%{y:.3g} at %{x:g} kimg<extra>${label}, seed ${run.seed}</extra>`,
      }))),
      layout: (theme) => baseLayout(theme, { xaxis: axis(X_TITLE, theme), yaxis: axis("mean logit", theme) }),
    });
    const caption = () => {
      const drawn = kinds.filter(([name]) => runs.some((run) => run.row === Number(select.value) && run[name]));
      const named = drawn.map(([, label, , colour]) => `${label} (${colour})`).join(", ");
      const parting = drawn.some(([name]) => name === "heldout") ? " It overfits where blue and orange part." : "";
      made.caption.textContent = `The discriminator's verdict on ${named}.${parting}`;
    };
    caption();
    select.addEventListener("change", () => { caption(); draw(made); });
  }

  function curves() {
    rows.forEach((row, index) => {
      const swatch = element("i");
      swatch.style.borderTopColor = styles[index].colour || "currentColor";
      swatch.style.borderTopStyle = { solid: "solid", dash: "dashed", dot: "dotted", dashdot: "double" }[styles[index].dash];
      const chip = element("button", { type: "button", class: "chip", "aria-pressed": "true" }, swatch, element("span", {}, row.label));
      chip.addEventListener("click", () => {
        shown[index] = !shown[index];
        chip.setAttribute("aria-pressed", String(shown[index]));
        drawAll();
      });
      byId("curve-rows").append(chip);
    });
    Object.keys(metrics).forEach(metricPanel);
    statePanel("p", "Augmentation probability p", "", { rangemode: "tozero" });
    statePanel("r_t", "r_t, by signs of training logits", "1: the discriminator is sure of every training image.");
    statePanel("r_relative", "r_relative, by pairs of logits", "1: it puts every training image above every generated one; 0: it cannot tell them apart.");
    statePanel("r_v", "r_v, by held-out logits", "0: held-out images look like training images to it; 1: like generated ones. Near its start it may be off the scale.", { clip: 2 });
    statePanel("gap", "Gap of logits, training minus held-out", "0 means no overfitting.");
    const halves = byId("panels").querySelectorAll(".panel:not(.wide)");
    if (halves.length % 2) halves[halves.length - 1].classList.add("wide"); // no hole in the grid
    logitPanel();
    byId("curves").hidden = !byId("panels").children.length;
    byId("curve-rows").hidden = rows.length < 2;
  }

  // ---- samples -----------------------------------------------------------------------------
  function samples() {
    const { pictures, runs: sheets } = data.gallery;
    if (!sheets.length) return;
    const times = [...new Set(sheets.flatMap((sheet) => sheet.frames.map(([kimg]) => kimg)))].sort((a, b) => a - b);
    const slider = byId("time"), holder = byId("sheets");
    slider.max = times.length - 1;
    slider.value = times.length - 1;
    // One seed of each row at first, four rows at most.
    const firsts = sheets.map((sheet, index) => sheets.findIndex((other) => other.row === sheet.row) === index);
    let room = 4;
    const chosen = sheets.map((_, index) => firsts[index] && room-- > 0);

    function card(key, label, alt) {
      const picture = pictures[key];
      const image = element("img", { alt, width: picture.width, height: picture.height, src: picture.uri });
      if (picture.pixelated) image.className = "pixelated";
      const time = element("span"), buttons = element("span", { class: "downloads" }, saveButton(image, label));
      return { figure: element("figure", {}, image, element("figcaption", {}, element("b", {}, label), time, buttons)), image, time };
    }
    let cards = [];
    function layOut() {
      holder.replaceChildren();
      const reals = new Map(sheets.filter((sheet, index) => chosen[index] && sheet.real).map((sheet) => [sheet.real, sheet.data]));
      for (const [key, name] of reals) holder.append(card(key, name ? `${name}, real` : "Real images", "Grid of training images").figure);
      cards = sheets.filter((_, index) => chosen[index]).map((sheet) => {
        const made = card(sheet.frames[0][1], sheet.label, "");
        holder.append(made.figure);
        return { sheet, ...made };
      });
      show();
    }
    function show() {
      const time = times[Number(slider.value)];
      byId("time-shown").textContent = kimgText(time);
      slider.setAttribute("aria-valuetext", kimgText(time));
      for (const { sheet, image, time: caption } of cards) {
        const past = sheet.frames.filter(([kimg]) => kimg <= time);
        const [kimg, key] = past.length ? past[past.length - 1] : sheet.frames[0];
        if (image.src !== pictures[key].uri) image.src = pictures[key].uri;
        image.alt = `Generated images of ${sheet.label} after ${kimgText(kimg)}`;
        caption.textContent = kimgText(kimg);
      }
    }
    sheets.forEach((sheet, index) => {
      const box = element("input", { type: "checkbox" });
      box.checked = chosen[index];
      box.addEventListener("change", () => { chosen[index] = box.checked; layOut(); });
      byId("sample-runs").append(element("label", { class: "chip" }, box, element("span", {}, sheet.label)));
    });
    slider.addEventListener("input", show);
    byId("sample-runs").hidden = sheets.length < 2;
    layOut();
  }

  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll(".picture").forEach((figure) => {
    figure.querySelector(".downloads").append(saveButton(figure.querySelector("img"), figure.querySelector("img").alt.split(":")[0]));
  });
  document.querySelectorAll(".scroll").forEach(sayWhereCut);
  ranking();
  curves();
  samples();
  themeChanged();
})();
