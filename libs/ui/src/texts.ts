/** A text with `{places}`, or one for each plural form of `{count}`. */
export type Text = string | Readonly<Partial<Record<Intl.LDMLPluralRule, string>>>;

/** The English texts. Replace them with the property `texts`. */
export const DEFAULT_TEXTS = {
  heading: 'Active tokens',
  count: { one: '{count} token', other: '{count} tokens' },
  countOfMore: 'The newest {count}',
  found: { one: '{count} token found', other: '{count} tokens found' },
  search: 'Search by name or first characters',
  searching: 'Searching…',
  loading: 'Loading tokens…',
  more: 'Show more',
  create: 'Create token',
  emptyTitle: 'Create your first token',
  emptyText:
    'A token lets a script or a service call the API for you. It can do only what you choose, and you can revoke it at any time.',
  emptyExample: 'Then send it with every request:',
  nothingFound: 'No token matches “{query}”.',
  tryAgain: 'Try again',
  created: 'Created',
  lastUsed: 'Last used',
  expires: 'Expires',
  stops: 'Stops',
  never: 'Never',
  from: 'from {address}',
  allowedFrom: 'Accepted from',
  noAddress: 'no address',
  limitedTo: 'Limited to',
  madeBy: 'Made by',
  madeByToken: 'the token “{name}”',
  madeByUnknownToken: 'another token',
  madeByDevice: 'a signed-in device',
  madeByOwner: '{type} {id}',
  scopes: 'Scopes',
  allScopes: 'all scopes',
  replaced: 'Replaced',
  expiresSoon: 'Expires soon',
  expired: 'Expired',
  rotate: 'Rotate',
  edit: 'Edit',
  revoke: 'Revoke',
  revokeAll: 'Revoke all tokens',
  cancel: 'Cancel',
  close: 'Close',
  working: 'One moment…',
  name: 'Name',
  namePlaceholder: 'Deployment from CI',
  nameRequired: 'Give the token a name.',
  description: 'Description',
  optional: 'optional',
  kind: 'Kind',
  otherScopes: 'More scopes',
  scopesRequired: 'Choose at least one scope.',
  includes: 'Includes {scopes}',
  danger: 'Powerful',
  restrictions: 'Restrictions',
  allowedIps: 'Accepted from these addresses only',
  allowedIpsHint: 'Addresses or ranges, separated by spaces or commas.',
  resources: 'Limited to these resources only',
  resourcesHint: 'For example project:42, separated by spaces or commas.',
  expiry: 'Expires',
  inDays: { one: 'In {count} day', other: 'In {count} days' },
  inAYear: 'In a year',
  longest: 'As late as allowed',
  customDay: 'On a day of my choice',
  lastDay: 'Last day',
  lastDayRequired: 'Choose the last day.',
  lastDayPast: 'This day is in the past.',
  stopsOn: 'Stops working on {time}.',
  neverExpires: 'Works until you revoke it. Prefer an expiry: forgotten tokens are found by others.',
  createTitle: 'Create a token',
  createSubmit: 'Create token',
  editTitle: 'Edit “{name}”',
  editSubmit: 'Save',
  rotateTitle: 'Rotate “{name}”',
  rotateText: 'You get a new token with the same name, scopes and lifetime.',
  rotateSubmit: 'Rotate token',
  graceLegend: 'The old token stops working',
  graceNow: 'At once',
  graceNowHint: 'If nothing uses it any more, or if it may have leaked.',
  graceHour: 'In an hour',
  graceDay: 'In a day',
  graceWeek: 'In a week',
  oldStopsNow: 'The old token {mask} is refused from the next request on.',
  oldStopsAt: 'The old token {mask} works until {time}.',
  revokeTitle: 'Revoke “{name}”?',
  revokeText: 'The token {mask} stops working at once and for good. The very next request with it is refused.',
  revokeSubmit: 'Revoke token',
  revokeCancel: 'Keep it',
  revokeAllTitle: 'Revoke all tokens?',
  revokeAllText: 'All of them stop working at once and for good, also those that are not shown here.',
  revokeAllSubmit: 'Revoke all tokens',
  revokeAllCancel: 'Keep them',
  issuedTitle: 'Your new token “{name}”',
  issuedWarning: "This is the only time you'll see this token. Copy it now.",
  issuedExample: 'Try it',
  issuedDone: 'I have copied it',
  issuedLeave: 'You have not copied the token yet. Close again to go on without it.',
  copy: 'Copy',
  copied: 'Copied to the clipboard.',
  selected: 'Selected. Press Ctrl+C or ⌘C to copy it.',
  wasCreated: '“{name}” is created.',
  wasRotated: '“{name}” is rotated.',
  wasChanged: '“{name}” is changed.',
  wasRevoked: '“{name}” is revoked. Requests with it are refused from now on.',
  wereRevoked: { one: '{count} token is revoked.', other: '{count} tokens are revoked.' },
  gone: 'This token is not active any more: it was revoked, replaced or has expired.',
  unauthenticated: 'Your session has ended. Sign in again.',
  unavailable: 'The server does not answer at the moment. Nothing is lost: try again.',
  tooManyRequests: {
    one: 'Too many requests. Try again in {count} second.',
    other: 'Too many requests. Try again in {count} seconds.',
  },
} as const satisfies Readonly<Record<string, Text>>;

export type TextName = keyof typeof DEFAULT_TEXTS;

/** All texts of the element, or those that replace the English ones. */
export type Texts = Readonly<Record<TextName, Text>>;

/** Returns a text in the language of the element, with its places filled in. */
export type Say = (name: TextName, values?: Readonly<Record<string, string | number>>) => string;

export function sayIn(lang: string, own: Partial<Texts>): Say {
  const texts: Texts = { ...DEFAULT_TEXTS, ...own };
  const plurals = new Intl.PluralRules(lang);
  const numbers = new Intl.NumberFormat(lang);
  return (name, values = {}) => {
    const text = texts[name];
    const form = typeof text === 'string' ? text : (text[plurals.select(Number(values.count))] ?? text.other ?? '');
    return form.replaceAll(/\{(\w+)\}/g, (place, key: string) => {
      const value = Object.hasOwn(values, key) ? values[key] : undefined;
      return typeof value === 'number' ? numbers.format(value) : (value ?? place);
    });
  };
}
