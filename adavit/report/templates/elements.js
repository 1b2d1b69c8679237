"use strict";
// An element with attributes and children; text in them stays text.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// A line below a table that is wider than its place: where it is cut between two columns nothing else shows it.
function sayWhereCut(holder) {
  const hint = element("p", { class: "cut" }, "The table is wider than the page: scroll it sideways for more columns.");
  holder.after(hint);
  const measure = () => { hint.hidden = holder.scrollWidth <= holder.clientWidth; };
  new ResizeObserver(measure).observe(holder);
  measure();
}
