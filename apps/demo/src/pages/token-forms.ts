import { type CreateApiToken, SigraError, type SigraErrorCode } from 'nestjs-sigra';
import { type FormBody, textOf, textsOf } from './form-fields.js';

/** The values of the form that creates a token. */
export interface TokenForm {
  readonly name: string;
  readonly description: string;
  readonly scopes: readonly string[];
  /** Addresses and ranges, separated by spaces or commas. Empty for all addresses. */
  readonly allowedIps: string;
  /** A number of days, `never`, or `custom` for the date in `expiresOn`. */
  readonly expiry: string;
  /** A date in UTC, such as `2030-01-31`. */
  readonly expiresOn: string;
}

export type TokenField = 'name' | 'description' | 'scopes' | 'allowedIps' | 'expiry';
export type TokenFormErrors = Partial<Record<TokenField, string>>;

export const EXPIRY_CHOICES = [
  { value: '7', label: 'In 7 days' },
  { value: '30', label: 'In 30 days' },
  { value: '90', label: 'In 90 days' },
  { value: '365', label: 'In a year' },
  { value: 'never', label: 'Never' },
  { value: 'custom', label: 'On a day of my choice' },
] as const;

export const EMPTY_TOKEN_FORM: TokenForm = {
  name: '',
  description: '',
  scopes: [],
  allowedIps: '',
  expiry: '30',
  expiresOn: '',
};

const DAY_MS = 24 * 60 * 60 * 1000;

export function parseTokenForm(body: FormBody): TokenForm {
  return {
    name: textOf(body, 'name'),
    description: textOf(body, 'description'),
    scopes: textsOf(body, 'scopes'),
    allowedIps: textOf(body, 'allowedIps'),
    expiry: textOf(body, 'expiry'),
    expiresOn: textOf(body, 'expiresOn'),
  };
}

type Checked = { readonly request: CreateApiToken } | { readonly errors: TokenFormErrors };

/** Returns all errors of the form, or the request for the token service, which can still reject it. */
export function checkTokenForm(form: TokenForm, offered: readonly string[], now: Date): Checked {
  const { name, description, scopes } = form;
  const expiresAt = expiryOf(form, now);
  const errors: TokenFormErrors = {
    ...(name.trim() === '' && { name: 'Give the token a name.' }),
    ...(scopes.length === 0 && { scopes: 'Choose at least one scope.' }),
    ...(!scopes.every((scope) => offered.includes(scope)) && { scopes: 'Choose from the scopes below.' }),
    ...(expiresAt === undefined && { expiry: 'Choose when the token expires.' }),
  };
  if (Object.keys(errors).length > 0) return { errors };
  return { request: { name, description, scopes, allowedIps: addressesIn(form.allowedIps), expiresAt } };
}

function addressesIn(text: string): string[] | null {
  const addresses = text.split(/[\s,]+/).filter((address) => address !== '');
  return addresses.length > 0 ? addresses : null;
}

function expiryOf({ expiry, expiresOn }: TokenForm, now: Date): Date | null | undefined {
  if (expiry === 'never') return null;
  if (expiry === 'custom') return endOfDay(expiresOn);
  const known = EXPIRY_CHOICES.some(({ value }) => value === expiry);
  return known ? new Date(now.getTime() + Number(expiry) * DAY_MS) : undefined;
}

function endOfDay(day: string): Date | undefined {
  const end = new Date(`${day}T23:59:59.999Z`);
  // JavaScript parses February 31 as a date in March.
  const exists = /^\d{4}-\d{2}-\d{2}$/.test(day) && !Number.isNaN(end.getTime()) && end.toISOString().startsWith(day);
  return exists ? end : undefined;
}

const FIELD_OF_CODE: Partial<Record<SigraErrorCode, TokenField>> = {
  name_required: 'name',
  name_too_long: 'name',
  invalid_name: 'name',
  description_too_long: 'description',
  invalid_description: 'description',
  scopes_required: 'scopes',
  invalid_scope_format: 'scopes',
  unregistered_scopes: 'scopes',
  insufficient_scope: 'scopes',
  invalid_allowed_ips: 'allowedIps',
  expiry_required: 'expiry',
  expiry_in_past: 'expiry',
  invalid_expiry: 'expiry',
  ttl_exceeded: 'expiry',
};

/** The message of an error for the field that caused it; undefined if no field did. */
export function fieldErrors(error: unknown): TokenFormErrors | undefined {
  if (!(error instanceof SigraError)) return undefined;
  const field = FIELD_OF_CODE[error.code];
  return field && { [field]: error.message };
}

/** When a rotated token stops working. */
export const GRACE_CHOICES = [
  { value: '0', label: 'At once', hint: 'If nothing uses it any more, or if it may have leaked.' },
  { value: '3600', label: 'In an hour', hint: '' },
  { value: '86400', label: 'In a day', hint: '' },
  { value: '604800', label: 'In a week', hint: '' },
] as const;

/** The seconds of a choice; 0 for every other value. */
export function parseGrace(value: string): number {
  return Number(GRACE_CHOICES.find((choice) => choice.value === value)?.value ?? 0);
}
