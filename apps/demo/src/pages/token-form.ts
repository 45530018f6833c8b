import { type CreateApiToken, SigraError, type SigraErrorCode } from 'nestjs-sigra';
import { type FormBody, textOf, textsOf } from './form-fields.js';

/** The form that creates a token, as it was filled in. */
export interface TokenForm {
  readonly name: string;
  readonly scopes: readonly string[];
  /** A number of days, `never`, or `custom` for the day in `expiresOn`. */
  readonly expiry: string;
  /** `2030-01-31` */
  readonly expiresOn: string;
}

export type TokenField = 'name' | 'scopes' | 'expiry';
export type TokenFormErrors = Partial<Record<TokenField, string>>;

export const EXPIRY_CHOICES = [
  { value: '7', label: 'In 7 days' },
  { value: '30', label: 'In 30 days' },
  { value: '90', label: 'In 90 days' },
  { value: '365', label: 'In a year' },
  { value: 'never', label: 'Never' },
  { value: 'custom', label: 'On a day of my choice' },
] as const;

export const EMPTY_TOKEN_FORM: TokenForm = { name: '', scopes: [], expiry: '30', expiresOn: '' };

const DAY_MS = 24 * 60 * 60 * 1000;

export function parseTokenForm(body: FormBody): TokenForm {
  return {
    name: textOf(body, 'name'),
    scopes: textsOf(body, 'scopes'),
    expiry: textOf(body, 'expiry'),
    expiresOn: textOf(body, 'expiresOn'),
  };
}

type Checked = { readonly request: CreateApiToken } | { readonly errors: TokenFormErrors };

/** Everything that is wrong with the form, at once, or what to ask of the token service. It has the last word. */
export function checkTokenForm(form: TokenForm, offered: readonly string[], now: Date): Checked {
  const { name, scopes } = form;
  const expiresAt = expiryOf(form, now);
  const errors: TokenFormErrors = {
    ...(name.trim() === '' && { name: 'Give the token a name.' }),
    ...(scopes.length === 0 && { scopes: 'Choose at least one scope.' }),
    ...(!scopes.every((scope) => offered.includes(scope)) && { scopes: 'Choose from the scopes below.' }),
    ...(expiresAt === undefined && { expiry: 'Choose when the token expires.' }),
  };
  return Object.keys(errors).length > 0 ? { errors } : { request: { name, scopes, expiresAt } };
}

function expiryOf({ expiry, expiresOn }: TokenForm, now: Date): Date | null | undefined {
  if (expiry === 'never') return null;
  if (expiry === 'custom') return endOfDay(expiresOn);
  const known = EXPIRY_CHOICES.some(({ value }) => value === expiry);
  return known ? new Date(now.getTime() + Number(expiry) * DAY_MS) : undefined;
}

function endOfDay(day: string): Date | undefined {
  const end = new Date(`${day}T23:59:59.999Z`);
  // The 31st of February is a date to JavaScript, in March.
  const exists = /^\d{4}-\d{2}-\d{2}$/.test(day) && !Number.isNaN(end.getTime()) && end.toISOString().startsWith(day);
  return exists ? end : undefined;
}

const FIELD_OF_CODE: Partial<Record<SigraErrorCode, TokenField>> = {
  name_required: 'name',
  name_too_long: 'name',
  invalid_name: 'name',
  scopes_required: 'scopes',
  invalid_scope_format: 'scopes',
  unregistered_scopes: 'scopes',
  insufficient_scope: 'scopes',
  expiry_required: 'expiry',
  expiry_in_past: 'expiry',
  invalid_expiry: 'expiry',
  ttl_exceeded: 'expiry',
};

/** What the form can say about a refusal, beside the field that caused it; undefined when it cannot. */
export function fieldErrors(error: unknown): TokenFormErrors | undefined {
  if (!(error instanceof SigraError)) return undefined;
  const field = FIELD_OF_CODE[error.code];
  return field && { [field]: error.message };
}
