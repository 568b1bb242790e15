// The page over the local workspace. The server renders; this file keeps the page in step with it.
//
// 1. What the server sends is morphed into the document: elements stay, so focus, scroll and typed words stay.
// 2. Deeds (typing, clicking, filling in) are posted; what comes of them arrives on the stream like everything else.

const $ = (id) => document.getElementById(id);
const app = () => $("app");
const here = () => ({ as: app().dataset.as, in: app().dataset.in, thread: app().dataset.thread });

// ---------------------------------------------------------------- morphing

const DIRTY_TAGS = new Set(["INPUT", "TEXTAREA", "SELECT"]);

function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

function same(one, other) {
  if (one.nodeType !== other.nodeType || one.nodeName !== other.nodeName) return false;
  return one.nodeType !== Node.ELEMENT_NODE || (one.id === other.id && one.type === other.type);
}

/** Makes `old` look like `fresh` while keeping every element that is the same by its id, or by its kind and place. */
function morph(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.hasAttribute("data-keep")) return;
  const typed = DIRTY_TAGS.has(old.tagName) ? typedInto(old) : null;
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !keptAttribute(old, name)) old.removeAttribute(name);
  }
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value && !keptAttribute(old, name)) old.setAttribute(name, value);
  }
  if (old.tagName === "TEMPLATE") old.innerHTML = fresh.innerHTML;
  else morphChildren(old, fresh);
  if (typed) typed(fresh);
}

/** Attributes that belong to this page and not to the server: what is open, active or on its way. */
function keptAttribute(element, name) {
  if (name === "aria-expanded" || name === "aria-busy" || name === "aria-activedescendant" || name === "style") return true;
  return name === "hidden" && (element.hasAttribute("data-jump") || ["listbox", "menu"].includes(element.getAttribute("role")));
}

/** What a person put in stays until the server has another opinion than it had before. */
function typedInto(control) {
  if (control.type === "checkbox" || control.type === "radio") {
    const dirty = control.checked !== control.defaultChecked;
    const checked = control.checked;
    return (fresh) => (control.checked = dirty ? checked : fresh.defaultChecked);
  }
  if (control.tagName === "SELECT") {
    const before = [...control.options].find((option) => option.defaultSelected)?.value ?? control.options[0]?.value;
    const value = control.value;
    const dirty = value !== before;
    return (fresh) => {
      control.value = dirty ? value : fresh.value;
      if (control.selectedIndex < 0) control.value = fresh.value;
    };
  }
  const value = control.value;
  const dirty = value !== control.defaultValue;
  return (fresh) => {
    const wanted = dirty ? value : fresh.defaultValue;
    if (control.value !== wanted) control.value = wanted;
  };
}

function morphChildren(old, fresh) {
  const byId = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  const staying = new Set([...fresh.children].map((child) => child.id).filter((id) => byId.has(id)));
  let place = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const known = wanted.id ? byId.get(wanted.id) : place && !place.id && same(place, wanted) ? place : null;
    if (known && same(known, wanted)) {
      // What stands between goes: moving the element itself would take the focus from it.
      while (place !== known && place && !staying.has(place.id)) place = removed(place);
      if (known === place) place = place.nextSibling;
      else old.insertBefore(known, place);
      morph(known, wanted);
    } else {
      old.insertBefore(wanted, place);
    }
  }
  while (place) place = removed(place);
}

/** Takes a node away and answers the one after it. */
function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

// ---------------------------------------------------------------- the stream

let stream = null;
let retry = 0;

function connect() {
  stream?.close();
  clearTimeout(retry);
  const { as, in: place, thread } = here();
  stream = new EventSource("/events?" + new URLSearchParams({ as, in: place, ...(thread && { thread }) }));
  stream.addEventListener("open", () => document.body.classList.remove("offline"));
  stream.addEventListener("error", () => {
    document.body.classList.add("offline");
    if (stream.readyState === EventSource.CLOSED) retry = setTimeout(connect, 2000);
  });
  stream.addEventListener("regions", ({ data }) => showRegions(JSON.parse(data)));
  stream.addEventListener("message", ({ data }) => data && showMessage(JSON.parse(data)));
  stream.addEventListener("removed", ({ data }) => document.querySelector(`#m-${idOf(JSON.parse(data).ts)}`)?.remove());
  stream.addEventListener("notice", ({ data }) => notice(JSON.parse(data).text));
}

const idOf = (ts) => ts.replace(".", "-");

function showRegions(regions) {
  for (const [name, html] of Object.entries(regions)) {
    const id = name === "modal" ? "modal-region" : name;
    const fresh = parsed(html);
    if ($(id) && fresh) morph($(id), fresh);
    if (name === "modal") settleModal();
  }
}

function showMessage({ ts, html }) {
  const log = document.querySelector("[data-log]");
  const fresh = parsed(html);
  const known = $(fresh.id);
  if (known) {
    const before = known.innerHTML;
    morph(known, fresh);
    if (known.innerHTML !== before) flash(known);
    return;
  }
  const next = [...log.children].find((entry) => entry.dataset.ts > ts);
  log.insertBefore(fresh, next ?? null);
  flash(fresh);
}

function flash(entry) {
  entry.classList.remove("fresh");
  void entry.offsetWidth;
  entry.classList.add("fresh");
  entry.addEventListener("animationend", () => entry.classList.remove("fresh"), { once: true });
}

function notice(text) {
  const note = document.createElement("p");
  note.className = "notice";
  const words = document.createElement("span");
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "icon-button";
  close.setAttribute("aria-label", "Dismiss");
  close.innerHTML = '<svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d="M5 5l10 10M15 5L5 15"/></svg>';
  const shelf = $("notices");
  const gone = () => {
    note.remove();
    if (!shelf.childElementCount) shelf.hidePopover();
  };
  close.addEventListener("click", gone);
  setTimeout(gone, 10_000);
  note.append(words, close);
  // Shown anew each time, so that it stands above a dialog that was opened meanwhile.
  shelf.hidePopover();
  shelf.showPopover();
  shelf.append(note);
}

// ---------------------------------------------------------------- deeds

async function post(deed, body) {
  try {
    const answer = await fetch("/do/" + deed, {
      method: "POST",
      headers: { "content-type": "application/json", "x-postroom-page": "1" },
      body: JSON.stringify({ as: here().as, ...body }),
    });
    const told = await answer.json().catch(() => ({ ok: false, trouble: "The workspace refused that." }));
    if (!told.ok) notice(told.trouble);
    return told;
  } catch {
    notice("The workspace cannot be reached. Is it still running?");
    return { ok: false };
  }
}

/** Where an element stands: in a message, or in a view. */
function target(element) {
  const view = element.closest("[data-view]");
  if (view) return { view: view.dataset.view };
  const { channel, ts } = element.closest("[data-ts][data-channel]").dataset;
  return { channel, ts };
}

const named = (el) => ({ block_id: el.dataset.block, action_id: el.dataset.action });

async function busy(control, deed) {
  if (control.getAttribute("aria-busy") === "true") return;
  control.setAttribute("aria-busy", "true");
  try {
    return await deed();
  } finally {
    control.removeAttribute("aria-busy");
  }
}

async function press(button) {
  const el = button.closest(".el");
  const pressed = { ...target(el), ...named(el), value: button.dataset.value }; // it may be gone after the confirmation
  if (!(await confirmed(el))) return;
  if (button.dataset.url) window.open(button.dataset.url, "_blank", "noopener");
  await busy(button, () => post("click", pressed));
}

/** Shows the confirmation of an element, if it has one, and answers whether the person agreed. */
function confirmed(el) {
  const content = el.querySelector("template.confirm-content");
  if (!content) return Promise.resolve(true);
  const dialog = $("confirm");
  dialog.replaceChildren(content.content.cloneNode(true));
  const opener = document.activeElement;
  dialog.showModal();
  dialog.querySelector("[data-answer=no]").focus();
  return new Promise((resolve) => {
    dialog.onclick = ({ target: pressed }) => {
      const answer = pressed === dialog ? "no" : pressed.closest("[data-answer]")?.dataset.answer;
      if (answer) dialog.close(answer);
    };
    dialog.onclose = () => {
      if (opener?.isConnected) opener.focus();
      resolve(dialog.returnValue === "yes");
      dialog.returnValue = "";
    };
  });
}

// ---------------------------------------------------------------- fields

/** What stands in an element, in the form in which the server takes it. */
function valueOf(el) {
  const type = el.dataset.type;
  const several = type === "checkboxes" || (type.startsWith("multi_") && type !== "multi_external_select");
  if (several) return [...el.querySelectorAll("input:checked")].map((input) => input.value);
  if (type === "radio_buttons") return el.querySelector("input:checked")?.value ?? null;
  if (type.endsWith("external_select")) {
    const chips = [...el.querySelectorAll(".chip")].map(({ dataset }) => ({ value: dataset.value, label: dataset.label }));
    return type === "external_select" ? (chips[0] ?? null) : chips;
  }
  return el.querySelector("input, textarea, select")?.value ?? null;
}

const waiting = new Map();

function keep(el, delay) {
  clearTimeout(waiting.get(el.id));
  const send = () => {
    waiting.delete(el.id);
    if (el.isConnected) post("keep", { ...target(el), ...named(el), value: valueOf(el) });
  };
  if (delay) waiting.set(el.id, setTimeout(send, delay));
  else send();
}

async function changed(el) {
  const { dispatch } = el.dataset;
  if (dispatch === "change" || dispatch === "character" || dispatch === "enter") {
    clearTimeout(waiting.get(el.id));
    if (!(await confirmed(el))) return undo(el);
    await post("choose", { ...target(el), ...named(el), value: valueOf(el) });
  } else {
    keep(el, 0);
  }
}

/** A control of the workspace itself, not of an app: its attributes say which deed it is, and about whom. */
async function administer(control) {
  const { deed, user, group } = control.dataset;
  const value = control.type === "checkbox" ? control.checked : control.value;
  const { ok } = await post(deed, { user, group, value });
  if (!ok) undo(control.parentElement);
}

/** Puts back what stood in an element before. */
function undo(el) {
  for (const input of el.querySelectorAll("input, textarea")) {
    input.checked = input.defaultChecked;
    input.value = input.defaultValue;
  }
  for (const option of el.querySelectorAll("option")) option.selected = option.defaultSelected;
}

// ---------------------------------------------------------------- files

const attaching = new Set();

/** Sends what was chosen to the workspace, which keeps it and shows its name. */
function attach(el, chosen) {
  const sending = (async () => {
    const files = await Promise.all([...chosen].map(async (file) => ({ name: file.name, content: await base64(file) })));
    await post("attach", { ...target(el), ...named(el), files });
  })().finally(() => attaching.delete(sending));
  attaching.add(sending);
  return sending;
}

function detach(button) {
  const el = button.closest(".el");
  el.querySelector("input").focus();
  return post("detach", { ...target(el), ...named(el), file: button.closest("[data-file]").dataset.file });
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

const isText = (control) => control.matches("textarea, input:not([type=file], [type=checkbox], [type=radio], [type=date], [type=time], [type=datetime-local])");

document.addEventListener("input", ({ target: control }) => {
  if (control.matches("[data-draft]")) return typing(control);
  refusalExpected = false;
  if (control.matches("[data-search]")) return search(control);
  const el = control.closest(".el");
  if (!el || !isText(control)) return;
  if (el.dataset.dispatch === "character" || el.dataset.type === "rich_text_input" && el.dataset.dispatch === "change") {
    clearTimeout(waiting.get(el.id));
    waiting.set(el.id, setTimeout(() => el.isConnected && changed(el), 400));
  } else if (el.closest("[data-view]")) {
    keep(el, 300);
  }
});

document.addEventListener("change", ({ target: control }) => {
  if (control.dataset.deed) return administer(control);
  const el = control.closest(".el");
  if (control.type === "file") {
    // Emptied, so that the same file can be chosen once more; that it is there, the workspace shows.
    if (control.files.length) attach(el, [...control.files]).then(() => (control.value = ""));
  } else if (el && !isText(control)) changed(el);
});

// ---------------------------------------------------------------- external selects

const searches = new Map();

function search(input) {
  const finder = input.closest(".finder");
  clearTimeout(searches.get(input.id));
  if (input.value.length < Number(finder.dataset.least)) return closeFound(input);
  const delay = setTimeout(async () => {
    const el = input.closest(".el");
    const asked = input.value;
    const { ok, options = [] } = await post("search", { ...target(el), ...named(el), text: asked });
    if (!ok || input.value !== asked) return;
    const list = finder.querySelector(".found");
    list.replaceChildren(...options.map((option, index) => {
      const item = document.createElement("li");
      item.setAttribute("role", "option");
      item.id = `${list.id}-${index}`;
      item.dataset.value = option.value;
      item.textContent = option.label;
      item.setAttribute("aria-selected", "false");
      return item;
    }));
    if (!options.length) {
      const none = document.createElement("li");
      none.className = "none";
      none.textContent = "Nothing found";
      list.append(none);
    }
    openList(input, list);
  }, 200);
  searches.set(input.id, delay);
}

function closeFound(input) {
  const list = input.closest(".finder").querySelector(".found");
  closeList(input, list);
}

function pick(option) {
  const finder = option.closest(".finder");
  const input = finder.querySelector("[data-search]");
  const chips = finder.querySelector(".chips");
  if (!("several" in finder.dataset)) chips.replaceChildren();
  if (![...chips.children].some((chip) => chip.dataset.value === option.dataset.value)) {
    const chip = document.createElement("li");
    chip.className = "chip";
    Object.assign(chip.dataset, { value: option.dataset.value, label: option.textContent });
    chip.textContent = option.textContent;
    chips.append(chip);
  }
  input.value = "";
  closeFound(input);
  changed(finder.closest(".el"));
}

function unpick(button) {
  const el = button.closest(".el");
  button.closest(".chip").remove();
  el.querySelector("[data-search]").focus();
  changed(el);
}

// ---------------------------------------------------------------- lists that a text box opens

function openList(box, list) {
  list.hidden = false;
  box.setAttribute("aria-expanded", "true");
  activate(box, list, -1);
}

function closeList(box, list) {
  if (!list) return;
  list.hidden = true;
  box.setAttribute("aria-expanded", "false");
  activate(box, list, -1);
}

function activate(box, list, index) {
  const options = [...list.querySelectorAll("[role=option]:not([hidden])")];
  options.forEach((option, at) => option.setAttribute("aria-selected", String(at === index)));
  if (options[index]) {
    box.setAttribute("aria-activedescendant", options[index].id);
    options[index].scrollIntoView({ block: "nearest" });
  } else {
    box.removeAttribute("aria-activedescendant");
  }
}

/** Arrow keys, Enter, Tab and Escape in a box with an open list. Answers whether the key is used up. */
function listKey(event, box, list, take) {
  if (!list || list.hidden) return false;
  const options = [...list.querySelectorAll("[role=option]:not([hidden])")];
  const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const step = event.key === "ArrowDown" ? 1 : at < 0 ? 0 : -1;
    activate(box, list, options.length ? (at + step + options.length) % options.length : -1);
    return true;
  }
  if (event.key === "Escape") {
    closeList(box, list);
    return true;
  }
  if ((event.key === "Enter" || (event.key === "Tab" && !event.shiftKey)) && options[at]) {
    take(options[at]);
    return true;
  }
  return false;
}

// ---------------------------------------------------------------- composer

const drafts = new Map();

function typing(box) {
  drafts.set(box.dataset.draft, box.value);
  grow(box);
  if (box.closest("form").dataset.composer === "main") offerCommands(box);
}

function grow(box) {
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, 200)}px`;
}

function offerCommands(box) {
  const list = $("commands");
  const hint = $("command-hint");
  const text = box.value;
  let exact = null;
  let shown = 0;
  for (const option of list.children) {
    const name = option.dataset.command;
    if (text === name || text.startsWith(name + " ")) exact = exact && exact.dataset.command.length > name.length ? exact : option;
    option.hidden = !(text.startsWith("/") && !text.includes("\n") && name.startsWith(text));
    shown += option.hidden ? 0 : 1;
  }
  if (shown && !(shown === 1 && exact)) {
    openList(box, list);
    activate(box, list, 0);
  } else {
    closeList(box, list);
  }
  hint.hidden = !(exact && list.hidden && exact.dataset.usage);
  const words = hint.hidden ? "" : `${exact.dataset.command} ${exact.dataset.usage}`;
  if (hint.textContent !== words) hint.textContent = words;
}

function takeCommand(box, option) {
  box.value = option.dataset.command + " ";
  typing(box);
  closeList(box, $("commands"));
  box.focus();
}

async function send(form) {
  const box = form.querySelector("textarea");
  const text = box.value;
  if (!text.trim()) return;
  box.value = "";
  typing(box);
  const place = { in: here().in, thread: form.dataset.thread || null };
  form.setAttribute("aria-busy", "true");
  const { ok } = await post("type", { text, ...place });
  form.removeAttribute("aria-busy");
  if (!ok && !box.value) {
    box.value = text;
    typing(box);
  }
  toBottom(form);
}

function toBottom(form) {
  const scroller = form.parentElement.querySelector(".scroller");
  if (scroller) scroller.scrollTop = 0; // It is laid out from the bottom: 0 is the newest message.
}

function restoreDrafts() {
  for (const box of document.querySelectorAll("[data-draft]")) {
    box.value = drafts.get(box.dataset.draft) ?? "";
    grow(box);
  }
}

// ---------------------------------------------------------------- modal

let opener = null;
let shownView = null;
let refusalExpected = false;
let submittedHash = null;

/** Opens, closes and focuses the modal as the region inside it says. */
function settleModal() {
  const dialog = $("modal");
  const form = dialog.querySelector("form");
  if (!form) {
    shownView = null;
    sent();
    if (dialog.open) dialog.close();
    return;
  }
  if (!dialog.open) {
    opener = document.activeElement;
    dialog.showModal();
  }
  const fresh = shownView !== form.dataset.view;
  shownView = form.dataset.view;
  if (fresh) refusalExpected = false;
  const wrong = form.querySelector("[aria-invalid=true]");
  if (fresh || form.dataset.hash !== submittedHash || (wrong && refusalExpected)) sent();
  if (fresh) focusFirst(form);
  else if (wrong && refusalExpected) wrong.focus();
  else if (!dialog.contains(document.activeElement) || document.activeElement === dialog) focusFirst(form);
}

function focusFirst(form) {
  const field = form.querySelector("[data-focus]") ?? form.querySelector(".field :is(input, textarea, select):not(:disabled)");
  (field ?? form.querySelector("h2")).focus({ preventScroll: !field });
}

async function submit(form) {
  const dialog = $("modal");
  if ("sending" in dialog.dataset) return;
  for (const [id, timer] of waiting) {
    clearTimeout(timer);
    waiting.delete(id);
  }
  dialog.dataset.sending = "";
  form.setAttribute("aria-busy", "true");
  refusalExpected = true;
  submittedHash = form.dataset.hash;
  await Promise.allSettled(attaching);
  // Only inputs: what stands in other elements was sent when it was chosen.
  const fields = [...form.querySelectorAll(".field .el")].map((el) => ({ ...named(el), value: valueOf(el) }));
  await post("submit", { view: form.dataset.view, hash: submittedHash, fields });
  // What came of it is on the stream, which this answer may overtake by a moment.
  setTimeout(sent, 150);
}

function sent() {
  delete $("modal").dataset.sending;
  $("modal").querySelector("form")?.removeAttribute("aria-busy");
}

function closeView(all) {
  const form = $("modal").querySelector("form");
  if (form) post("close", { view: form.dataset.view, all });
}

$("modal").addEventListener("cancel", (event) => {
  if (event.target !== $("modal")) return;
  event.preventDefault();
  closeView(false);
});

$("modal").addEventListener("close", (event) => {
  if (event.target !== $("modal")) return;
  // The browser may close it by itself; for the workspace that is a close, too.
  closeView(false);
  if (opener?.isConnected && opener !== document.body) opener.focus();
  else document.querySelector("#composer-main, #home")?.focus();
});

// ---------------------------------------------------------------- menus

function toggleMenu(button) {
  const menu = $(button.getAttribute("aria-controls"));
  const open = menu.hidden;
  closeMenus();
  menu.hidden = !open;
  button.setAttribute("aria-expanded", String(open));
  if (!open) return;
  keepInView(menu);
  menu.querySelector("[role=menuitem]").focus();
}

/** Opens a menu upwards or to the left where it would be cut off otherwise. */
function keepInView(menu) {
  menu.removeAttribute("style");
  const frame = menu.closest(".scroller, .home-scroller, .modal-body, .app").getBoundingClientRect();
  const { bottom, right } = menu.getBoundingClientRect();
  if (bottom > frame.bottom) Object.assign(menu.style, { top: "auto", bottom: "calc(100% + 4px)" });
  if (right > frame.right) Object.assign(menu.style, { left: "auto", right: "0" });
}

function closeMenus() {
  let closed = null;
  for (const button of document.querySelectorAll("[data-menu][aria-expanded=true]")) {
    button.setAttribute("aria-expanded", "false");
    $(button.getAttribute("aria-controls")).hidden = true;
    closed = button;
  }
  return closed;
}

/** Starts a shortcut of the app, which stands in a menu of the workspace itself. */
function start(item) {
  const { shortcut, channel, ts } = item.dataset;
  closeMenus()?.focus();
  return post("shortcut", { shortcut, channel, ts });
}

async function pickInMenu(item) {
  const el = item.closest(".el");
  closeMenus();
  el.querySelector("[data-menu]").focus();
  const picked = { ...target(el), ...named(el), value: item.dataset.pick };
  if (!(await confirmed(el))) return;
  if (item.dataset.url) window.open(item.dataset.url, "_blank", "noopener");
  await post("choose", picked);
}

// ---------------------------------------------------------------- going somewhere

async function go(url, { push = true, focus = null } = {}) {
  const answer = await fetch(url).catch(() => null);
  if (!answer?.ok) return location.assign(url);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const moved = fresh.getElementById("app");
  const otherPlace = moved.dataset.in !== here().in || moved.dataset.as !== here().as;
  if (push) history.pushState(null, "", url);
  document.title = fresh.title;
  drawer(false);
  morph(app(), moved);
  morph($("modal-region"), fresh.getElementById("modal-region"));
  restoreDrafts();
  arrive(otherPlace);
  if (focus) document.querySelector(focus)?.focus();
}

function arrive(otherPlace) {
  settleModal();
  connect();
  if (otherPlace && here().in === "home") post("home", {});
}

addEventListener("popstate", () => go(location.href, { push: false }));

function drawer(open) {
  const was = app().classList.contains("drawer-open");
  app().classList.toggle("drawer-open", open);
  const button = document.querySelector("[data-drawer]");
  button?.setAttribute("aria-expanded", String(open));
  $("main").inert = open;
  if (open) document.querySelector("#sidebar [aria-current=page]")?.focus();
  else if (was) button?.focus();
}

// ---------------------------------------------------------------- events of the document

document.addEventListener("click", (event) => {
  const hit = (selector) => event.target.closest?.(selector);
  const link = hit("a[data-nav]");
  if (link && !event.metaKey && !event.ctrlKey && !event.shiftKey && event.button === 0) {
    event.preventDefault();
    const thread = link.matches("[data-thread-link]");
    const back = link.matches("[data-close-thread]");
    return go(link.href, { focus: thread ? "#composer-thread" : back ? "#composer-main" : null });
  }
  if (hit("[data-menu]")) return toggleMenu(hit("[data-menu]"));
  if (hit("[data-pick]")) return pickInMenu(hit("[data-pick]"));
  if (hit("[data-shortcut]")) return start(hit("[data-shortcut]"));
  closeMenus();
  if (hit("[data-click]")) return press(hit("[data-click]"));
  if (hit("[data-unpick]")) return unpick(hit("[data-unpick]"));
  if (hit("[data-detach]")) return detach(hit("[data-detach]"));
  if (hit(".found [role=option]")) return pick(hit(".found [role=option]"));
  if (hit("#commands [role=option]")) return takeCommand($("composer-main"), hit("#commands [role=option]"));
  if (hit("[data-close]")) return closeView(hit("[data-close]").dataset.close === "all");
  if (hit("[data-jump]")) return hit("[data-jump]").parentElement.querySelector(".scroller").scrollTo({ top: 0, behavior: "smooth" });
  if (hit("[data-drawer]")) return drawer(true);
  if (hit("#close-drawer, #scrim")) return drawer(false);
  for (const input of document.querySelectorAll("[data-search][aria-expanded=true]")) closeFound(input);
});

document.addEventListener("submit", (event) => {
  event.preventDefault();
  if (event.target.matches("[data-composer]")) send(event.target);
  else if (event.target.matches("[data-view]")) submit(event.target);
});

document.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  const box = event.target;
  if (box.matches?.("[data-draft]")) composerKey(event, box);
  else if (box.matches?.("[data-search]")) finderKey(event, box);
  else if (box.matches?.("[role=menuitem]")) menuKey(event, box);
  else if (event.key === "Enter" && box.closest?.(".el[data-dispatch=enter]") && box.tagName === "INPUT") {
    event.preventDefault();
    changed(box.closest(".el"));
  } else if (event.key === "Escape" && app().classList.contains("drawer-open")) drawer(false);
});

function composerKey(event, box) {
  const main = box.closest("form").dataset.composer === "main";
  if (main && listKey(event, box, $("commands"), (option) => commandTaken(event, box, option))) return event.preventDefault();
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    send(box.closest("form"));
  }
}

/** Enter on a command that stands there in full sends it; otherwise the command is put into the box. */
function commandTaken(event, box, option) {
  if (event.key === "Enter" && box.value.trim() === option.dataset.command) {
    closeList(box, $("commands"));
    send(box.closest("form"));
  } else {
    takeCommand(box, option);
  }
}

function finderKey(event, input) {
  const list = input.closest(".finder").querySelector(".found");
  if (listKey(event, input, list, pick)) {
    event.preventDefault();
    event.stopPropagation();
  } else if (event.key === "Enter") {
    event.preventDefault();
  } else if (event.key === "Backspace" && !input.value) {
    const last = input.closest(".finder").querySelector(".chip:last-child [data-unpick]");
    if (last) unpick(last);
  }
}

function menuKey(event, item) {
  const items = [...item.parentElement.querySelectorAll("[role=menuitem]")];
  const at = items.indexOf(item);
  if (event.key === "ArrowDown") items[(at + 1) % items.length].focus();
  else if (event.key === "ArrowUp") items[(at - 1 + items.length) % items.length].focus();
  else if (event.key === "Escape" || event.key === "Tab") closeMenus()?.focus();
  else return;
  if (event.key !== "Tab") event.preventDefault();
}

document.addEventListener("scroll", ({ target: scroller }) => {
  const jump = scroller.parentElement?.querySelector("[data-jump]");
  if (jump) jump.hidden = scroller.scrollTop > -240;
}, true);

addEventListener("pagehide", () => stream?.close());
addEventListener("pageshow", ({ persisted }) => persisted && connect());

restoreDrafts();
arrive(true);
