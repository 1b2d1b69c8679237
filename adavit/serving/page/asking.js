// Asks the server for one thing at a time: the newest picture first, then what else was asked for.

const PATIENCE_MS = 700; // before what the server had no room for is asked again

const FIRST = ["picture", "latent"]; // the wall comes after them

const waiting = new Map(); // by what it is for: an older wish for the same place is forgotten
let busy = false;
let troubled = null; // the place whose trouble is shown: another one's success does not hide it
let say = () => {};

// `tell(text, trouble)` is shown to whoever looks at the page; "" is that all is well.
export function sayTo(tell) { say = tell; }

// Calls `done(reply)` with the reply to `address`, unless a newer wish for `place` comes before.
export function ask(place, address, done) {
  waiting.set(place, { address, done });
  next();
}

export function forget(place) { waiting.delete(place); }

async function next() {
  if (busy || waiting.size === 0) return;
  const place = FIRST.find((wished) => waiting.has(wished)) ?? waiting.keys().next().value;
  const wish = waiting.get(place);
  waiting.delete(place);
  busy = true;
  const slow = setTimeout(() => { if (place === "picture") say("drawing …"); }, 300);
  const reply = await fetch(wish.address, { cache: "no-store" }).catch(() => null);
  try {
    if (reply === null) {
      troubled = place;
      say("No answer: adavit studio has ended. Start it again and open the address that it prints.", true);
    } else if (reply.status === 503) {
      if (troubled === null) say("The server is busy; trying again …");
      await new Promise((go) => setTimeout(go, PATIENCE_MS));
      if (!waiting.has(place)) waiting.set(place, wish);
    } else if (reply.ok) {
      await wish.done(reply);
      if ([null, place].includes(troubled) || place === "picture") {
        troubled = null;
        say("");
      }
    } else {
      troubled = place;
      say(await reply.text(), true);
    }
  } catch { // what came was cut short, or is not what was asked for
    troubled = place;
    say("The answer broke off. Try it again; where it does so too, start adavit studio again.", true);
  } finally {
    clearTimeout(slow);
    busy = false;
    next();
  }
}
