/**
 * Every colour is a custom property of the host page, or else a colour for its colour scheme. A constructed style sheet needs
 * neither `unsafe-inline` nor a file of its own in a Content-Security-Policy.
 */
const CSS = `
:host {
  --_text: var(--sigra-text, light-dark(#1d2320, #e8edea));
  --_muted: var(--sigra-muted, light-dark(#5b635e, #a3aeaa));
  --_surface: var(--sigra-surface, light-dark(#fff, #1a201e));
  --_sunken: var(--sigra-sunken, light-dark(#f2f3ef, #242b29));
  --_line: var(--sigra-line, light-dark(#dfe1da, #323b38));
  --_control-line: var(--sigra-control-line, light-dark(#85857c, #77837e));
  --_accent: var(--sigra-accent, light-dark(#0f6e66, #63cdbd));
  --_on-accent: var(--sigra-on-accent, light-dark(#fff, #06231f));
  --_accent-soft: var(--sigra-accent-soft, light-dark(#e0f0ed, #17332f));
  --_danger: var(--sigra-danger, light-dark(#b3261e, #ff9a91));
  --_on-danger: var(--sigra-on-danger, light-dark(#fff, #3a0905));
  --_danger-soft: var(--sigra-danger-soft, light-dark(#fbeae8, #3a1f1d));
  --_warn-soft: var(--sigra-warn-soft, light-dark(#fdf1d3, #36290c));
  --_warn-text: var(--sigra-warn-text, light-dark(#5b4200, #f6dc9b));
  --_radius: var(--sigra-radius, 12px);
  --_corner: min(var(--_radius), 8px);
  --_shadow: var(--sigra-shadow, 0 1px 2px rgb(0 0 0 / 6%));
  --_mono: var(--sigra-mono, ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace);
  display: block;
  container-type: inline-size;
  color: var(--_text);
  font-family: var(--sigra-font, inherit);
  line-height: 1.5;
}
:host([hidden]), [hidden] { display: none !important; }
*, ::before, ::after { box-sizing: border-box; }
h2, h3, p, ul, dl, dd, fieldset { margin: 0; }
ul { padding: 0; list-style: none; }
code { font-family: var(--_mono); font-size: 0.875em; }
time { white-space: nowrap; }
:focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px; border-radius: var(--_corner); }

.panel { border: 1px solid var(--_line); border-radius: var(--_radius); background: var(--_surface); box-shadow: var(--_shadow); }
.head { display: flex; flex-wrap: wrap; align-items: center; gap: 0.75rem 1rem; padding: 1rem 1.25rem; }
.title { display: flex; flex: 1 0 auto; flex-wrap: wrap; align-items: baseline; gap: 0 0.75rem; }
.heading { font-size: 1.125rem; font-weight: 650; line-height: 1.3; letter-spacing: -0.01em; }
.count, .hint, .optional { color: var(--_muted); font-size: 0.875rem; }
.optional { font-weight: 400; }
.head .search { flex: 0 1 17rem; min-width: 0; }

/* Empty live regions stay in the tree of accessibility: only so is their first text read. */
:is(.notice, .alert, .copy-status):empty { position: absolute; margin: 0; padding: 0; }
.notice { margin: 0 1.25rem 1rem; padding: 0.6rem 0.9rem; border-radius: var(--_corner); background: var(--_accent-soft); overflow-wrap: anywhere; }
.notice.failed, .problem { background: var(--_danger-soft); }
.problem { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 0.75rem; margin: 0 1.25rem 1rem; padding: 0.75rem 0.9rem; border-radius: var(--_corner); }

.first-load::after { content: ''; display: block; height: 9rem; margin: 0 1.25rem 1.25rem; border-radius: var(--_corner); background: var(--_sunken); }

.token { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0.5rem 1.5rem; padding: 1.1rem 1.25rem; border-top: 1px solid var(--_line); }
.token > * { grid-column: 1; min-width: 0; }
.token-head { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0.1rem 0.75rem; }
.token-name { font-size: 1rem; font-weight: 600; overflow-wrap: anywhere; }
.token-name, .token-description { unicode-bidi: isolate; }
.mask { color: var(--_muted); overflow-wrap: anywhere; }
.token-description { color: var(--_muted); font-size: 0.9375rem; overflow-wrap: anywhere; white-space: pre-line; }
.chips { display: flex; flex-wrap: wrap; gap: 0.3rem; }
.chip { padding: 0.1rem 0.5rem; border-radius: var(--_corner); background: var(--_sunken); font-family: var(--_mono); font-size: 0.8125rem; overflow-wrap: anywhere; }
.danger-chip { background: var(--_warn-soft); color: var(--_warn-text); }
.facts { display: flex; flex-wrap: wrap; gap: 0.15rem 1.75rem; font-size: 0.875rem; }
.fact { display: flex; flex-wrap: wrap; gap: 0 0.5rem; min-width: 0; }
.fact dt { color: var(--_muted); }
.fact dd { overflow-wrap: anywhere; }
.token > .token-actions { display: flex; grid-row: 1 / span 3; grid-column: 2; align-self: start; gap: 0.5rem; }
.badge { padding: 0 0.5rem; border-radius: 999px; background: var(--_sunken); font-size: 0.8125rem; font-weight: 600; white-space: nowrap; }
.badge.warn { background: var(--_warn-soft); color: var(--_warn-text); }

.foot { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 0.75rem; padding: 0.9rem 1.25rem; border-top: 1px solid var(--_line); }
.foot .danger { margin-inline-start: auto; }
.empty { display: grid; justify-items: start; gap: 0.9rem; padding: 0.5rem 1.25rem 1.5rem; color: var(--_muted); overflow-wrap: anywhere; }
.empty > * { max-width: 38rem; }
.empty-title { color: var(--_text); font-size: 1.25rem; letter-spacing: -0.01em; }
.empty .secret { width: 100%; }

.button { display: inline-flex; align-items: center; justify-content: center; min-height: 2.5rem; padding: 0.35rem 0.95rem; border: 1px solid var(--_line); border-radius: var(--_corner); background: var(--_surface); color: var(--_text); font: inherit; font-weight: 550; cursor: pointer; }
.button:hover { border-color: var(--_control-line); }
.small { min-height: 2.1rem; padding: 0.15rem 0.7rem; font-size: 0.9375rem; }
.primary { border-color: transparent; background: var(--_accent); color: var(--_on-accent); }
.danger-solid { border-color: transparent; background: var(--_danger); color: var(--_on-danger); }
.primary:hover, .danger-solid:hover { border-color: transparent; filter: brightness(1.1); }
.danger { color: var(--_danger); }
.danger:hover { border-color: var(--_danger); }
.link { padding-inline: 0.25rem; border-color: transparent; background: none; font-size: 0.9375rem; text-decoration: underline; text-underline-offset: 0.2em; }
.icon { flex: none; min-height: 2.25rem; width: 2.25rem; padding: 0; border-color: transparent; background: none; color: var(--_muted); font-size: 1.5rem; line-height: 1; }
.button[aria-disabled='true'] { cursor: progress; opacity: 0.75; }

input, select, textarea { font: inherit; }
input:not([type='checkbox'], [type='radio']), select, textarea { width: 100%; min-height: 2.6rem; padding: 0.4rem 0.7rem; border: 1px solid var(--_control-line); border-radius: var(--_corner); background: var(--_surface); color: var(--_text); }
textarea { display: block; resize: vertical; }
:is(input, select, textarea):focus-visible { outline-width: 2px; outline-offset: 0; border-color: var(--_accent); }
::placeholder { color: var(--_muted); opacity: 1; }
[aria-invalid='true']:not(fieldset) { border-color: var(--_danger) !important; }
label, legend, summary { font-weight: 550; }
legend { margin-bottom: 0.35rem; padding: 0; }
fieldset { min-width: 0; padding: 0; border: 0; }
.field { display: grid; gap: 0.35rem; }
fieldset.field { display: block; }
fieldset > .error { margin-bottom: 0.35rem; }
.error { color: var(--_danger); font-size: 0.9375rem; font-weight: 500; overflow-wrap: anywhere; }
.expiry, .scope-choices { display: grid; gap: 0.75rem; }
.scope-group { display: grid; gap: 0.1rem; }
.group-name { color: var(--_muted); font-size: 0.875rem; font-weight: 500; }
.choice { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 0.65rem; align-items: start; margin-inline: -0.5rem; padding: 0.35rem 0.5rem; border-radius: var(--_corner); font-weight: 400; line-height: 1.4; cursor: pointer; }
.choice:hover { background: var(--_sunken); }
.choice input { width: 1.1rem; height: 1.1rem; margin: 0.15rem 0 0; accent-color: var(--_accent); }
.choice-text { display: grid; gap: 0.05rem; justify-items: start; }
.scope-name { color: var(--_muted); overflow-wrap: anywhere; }
summary { width: fit-content; padding-block: 0.3rem; color: var(--_accent); cursor: pointer; }
.restrictions > .field { margin-top: 0.75rem; }

.dialog { display: none; width: min(34rem, calc(100vw - 2rem)); max-height: calc(100dvh - 3rem); padding: 0; overflow: hidden; border: 1px solid var(--_line); border-radius: calc(var(--_radius) + 2px); background: var(--_surface); color: var(--_text); box-shadow: 0 24px 64px rgb(0 0 0 / 28%); }
.dialog[open] { display: flex; flex-direction: column; }
.dialog::backdrop { background: rgb(10 14 13 / 55%); }
.dialog-head { display: flex; align-items: start; justify-content: space-between; gap: 1rem; padding: 1.1rem 1.25rem 0.35rem 1.5rem; }
.dialog-title { padding-block: 0.2rem; font-size: 1.25rem; line-height: 1.3; letter-spacing: -0.015em; overflow-wrap: anywhere; }
.dialog-title:focus { outline: none; }
.dialog-body { display: flex; flex-direction: column; min-height: 0; }
.form { display: flex; flex-direction: column; min-height: 0; }
.form-body { display: grid; gap: 1.15rem; min-height: 0; padding: 0.65rem 1.5rem 1.25rem; overflow-y: auto; }
.dialog-actions { display: flex; flex-wrap: wrap; justify-content: flex-end; gap: 0.75rem; padding: 0.9rem 1.5rem; border-top: 1px solid var(--_line); }
.alert { padding: 0.6rem 0.9rem; border-radius: var(--_corner); background: var(--_danger-soft); }
.note { color: var(--_muted); }
.warning { padding: 0.6rem 0.9rem; border-radius: var(--_corner); background: var(--_warn-soft); color: var(--_warn-text); font-weight: 600; }
.secret-row { display: flex; flex-wrap: wrap; align-items: center; gap: 0.75rem; }
.secret { flex: 1 1 16rem; min-width: 0; padding: 0.6rem 0.85rem; border-radius: var(--_corner); background: var(--_sunken); color: var(--_text); font-size: 0.9375rem; overflow-wrap: anywhere; user-select: all; }
.example { font-size: 0.8125rem; }
.example-title { margin-bottom: -0.6rem; font-size: 0.9375rem; }

@container (max-width: 44rem) {
  .head .search { order: 3; flex: 1 1 100%; }
  .token { grid-template-columns: minmax(0, 1fr); }
  .facts { display: grid; }
  .fact { display: grid; grid-template-columns: 7rem minmax(0, 1fr); }
  .token > .token-actions { grid-row: auto; grid-column: 1; align-self: auto; padding-top: 0.35rem; }
  .token-actions > .button { flex: 1; min-height: 2.75rem; }
}
@container (max-width: 26rem) {
  .head > .primary { flex: 1; }
}
@media (max-width: 36rem) {
  .dialog { width: 100vw; max-width: none; max-height: 92dvh; margin: auto 0 0; border-inline: 0; border-bottom: 0; border-radius: calc(var(--_radius) + 4px) calc(var(--_radius) + 4px) 0 0; }
  .dialog-head { padding-inline: 1.25rem 0.75rem; }
  .form-body, .dialog-actions { padding-inline: 1.25rem; }
  .dialog-actions { flex-direction: column-reverse; }
  .dialog-actions > .button, .secret-row > .button { width: 100%; min-height: 2.9rem; }
  .secret { flex-basis: 100%; }
}
@media (prefers-reduced-motion: no-preference) {
  .button, .choice { transition: background-color 0.12s, border-color 0.12s; }
  .first-load::after { animation: wait 1.4s ease-in-out infinite alternate; }
  @keyframes wait { to { opacity: 0.45; } }
}
@media (forced-colors: active) {
  .badge, .chip, .warning, .notice, .problem { border: 1px solid; }
}
`;

let shared: CSSStyleSheet | undefined;

/** The style sheet of all elements. */
export function styleSheet(): CSSStyleSheet {
  if (!shared) {
    shared = new CSSStyleSheet();
    shared.replaceSync(CSS);
  }
  return shared;
}
