import type { Field } from './schema-fields.js';

export interface CurlRequest {
  readonly method: string;
  readonly address: string;
  readonly contentType: string | undefined;
  readonly fields: readonly Field[];
  /** Whether it needs no credential. */
  readonly isOpen: boolean;
}

/** A command that sends the required fields, with their examples, and the token of the variable `TOKEN`. */
export function curlOf({ method, address, contentType, fields, isOpen }: CurlRequest): string {
  const verb =
    method === 'get' || (method === 'post' && contentType !== undefined) ? '' : ` -X ${method.toUpperCase()}`;
  const token = isOpen ? '' : ` -H "Authorization: Bearer $TOKEN"`;
  return `curl -sS${verb} '${address}'${token}${contentType === undefined ? '' : bodyOf(contentType, fields)}`;
}

function bodyOf(contentType: string, fields: readonly Field[]): string {
  const required = fields.filter(({ isRequired }) => isRequired);
  const sent = (required.length > 0 ? required : fields.slice(0, 1)).map(({ name, type, example }) => {
    return [name, example ?? (type.startsWith('array') ? [] : `<${name}>`)] as const;
  });
  if (contentType === 'application/x-www-form-urlencoded') {
    return sent
      .map(([name, value]) => ` -d '${name}=${typeof value === 'string' ? value : JSON.stringify(value)}'`)
      .join('');
  }
  return ` -H 'Content-Type: ${contentType}' -d '${JSON.stringify(Object.fromEntries(sent))}'`;
}
