/** The parts of a JSON schema that the page needs. */
export interface Schema {
  readonly $ref?: string;
  readonly allOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly type?: string;
  readonly format?: string;
  readonly items?: Schema;
  readonly nullable?: boolean;
  readonly enum?: readonly unknown[];
  readonly example?: unknown;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

type Schemas = Readonly<Record<string, Schema>>;

/** A parameter, or a property of a body. */
export interface Field {
  readonly name: string;
  /** `path`, `query`, `header` or `body`. */
  readonly place: string;
  readonly type: string;
  readonly isRequired: boolean;
  readonly description: string;
  readonly example?: unknown;
}

/** The properties of a body; of several forms, those of the first. */
export function fieldsOf(schema: Schema | undefined, schemas: Schemas): Field[] {
  const { properties = {}, required = [] } = resolve(schema ?? {}, schemas);
  return Object.entries(properties).map(([name, property]) => ({
    name,
    place: 'body',
    type: typeOf(property),
    isRequired: required.includes(name),
    description: resolve(property, schemas).description ?? '',
    example: property.example,
  }));
}

function resolve(schema: Schema, schemas: Schemas): Schema {
  const [first] = schema.oneOf ?? schema.anyOf ?? schema.allOf ?? [];
  const name = schema.$ref?.split('/').at(-1);
  if (name !== undefined) return resolve(schemas[name] ?? {}, schemas);
  return first && !schema.properties ? { ...resolve(first, schemas), ...schema } : schema;
}

function typeOf({ $ref, type, format, items, enum: values, oneOf, anyOf, allOf, nullable }: Schema): string {
  const name = $ref?.split('/').at(-1);
  const several = (oneOf ?? anyOf ?? allOf)?.map(typeOf).join(' or ');
  const one = values ? values.map(String).join(' or ') : (name ?? several ?? format ?? type ?? 'any');
  const full = type === 'array' && items ? `array of ${typeOf(items)}` : one;
  return nullable === true ? `${full} or null` : full;
}
