// Browsers start no worker from the disk. Where a page is opened from there, the search runs in a hidden frame instead, which is
// told what a worker is told.
"use strict";
if (location.protocol === "file:") {
  const loaded = (page, address) => new Promise((resolve, reject) => {
    const script = page.createElement("script");
    script.src = new URL(address, location.href);
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${script.src} cannot be loaded`));
    page.head.append(script);
  });

  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.onmessage = this.onerror = null;
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.srcdoc = "<!doctype html><title>search</title>";
      const opened = new Promise((resolve) => this.frame.addEventListener("load", resolve, { once: true }));
      document.body.append(this.frame);
      this.ready = opened.then(() => this.begin(this.frame.contentWindow, address));
      this.ready.catch((error) => this.tell("error", new ErrorEvent("error", { error, message: error.message })));
    }

    begin(inside, address) {
      inside.postMessage = (data) => this.tell("message", new MessageEvent("message", { data }));
      inside.importScripts = (...addresses) => addresses.reduce(
        (before, next) => before.then(() => loaded(inside.document, next)), Promise.resolve());
      return loaded(inside.document, address);
    }

    tell(kind, event) {
      this[`on${kind}`]?.(event);
      this.dispatchEvent(event);
    }

    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })), () => {});
    }

    terminate() {
      this.frame.remove();
    }
  };
}
