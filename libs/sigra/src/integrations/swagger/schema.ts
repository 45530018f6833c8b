/** A schema in JSON, in the dialect of OpenAPI 3.0. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The schema of a value in JSON. The compiler compares it with the type that the code reads or returns: a schema that does not
 * accept every value of the type, or lacks a property of it, is an error.
 */
export interface Schema<T> {
  readonly json: JsonSchema;
  /** Its name among the components of the document. @default it stands where it is used */
  readonly name?: string;
  /** The schemas of its parts. */
  readonly properties?: Readonly<Record<string, Schema<never>>>;
  readonly items?: Schema<never>;
  readonly anyOf?: readonly Schema<never>[];
  /** Only for the compiler. */
  readonly accepts?: (value: T) => void;
}

/** A property that can be absent. */
export interface Optional<T> {
  readonly optional: Schema<T>;
}

/** The properties of an object, all of them. */
export type Properties<T> = {
  readonly [P in keyof T]-?: undefined extends T[P] ? Optional<Exclude<T[P], undefined>> : Schema<T[P]>;
};

export const text = (facets: JsonSchema = {}): Schema<string> => ({ json: { type: 'string', ...facets } });
export const integer = (facets: JsonSchema = {}): Schema<number> => ({ json: { type: 'integer', ...facets } });
export const flag = (facets: JsonSchema = {}): Schema<boolean> => ({ json: { type: 'boolean', ...facets } });
export const instant = (description?: string): Schema<Date> => ({
  json: { type: 'string', format: 'date-time', ...(description !== undefined && { description }) },
});
export const id = (description?: string): Schema<string> =>
  text({ format: 'uuid', ...(description !== undefined && { description }) });
/** An object with any members. */
export const record = (facets: JsonSchema = {}): Schema<Readonly<Record<string, unknown>>> => ({
  json: { type: 'object', additionalProperties: true, ...facets },
});

export function oneOf<const T extends string>(values: readonly T[], facets: JsonSchema = {}): Schema<T> {
  return { json: { type: 'string', enum: values, ...facets } };
}

export function list<T>(items: Schema<T>, facets: JsonSchema = {}): Schema<readonly T[]> {
  return { json: { type: 'array', ...facets }, items };
}

/** Null is a value, too, and the description says which. */
export function nullable<T>(schema: Schema<T>, description: string): Schema<T | null> {
  const { accepts: _accepts, ...rest } = schema;
  return { ...rest, json: { ...schema.json, nullable: true, description } };
}

export const optional = <T>(schema: Schema<T>): Optional<T> => ({ optional: schema });

/** An object of an answer: clients ignore members that they do not know. */
export function object<T>(properties: Properties<T>, facets: JsonSchema = {}): Schema<T> {
  const given = Object.entries<Optional<never> | Schema<never>>(properties);
  const required = given.flatMap(([name, property]) => ('optional' in property ? [] : [name]));
  return {
    json: { type: 'object', ...(required.length > 0 && { required }), ...facets },
    properties: Object.fromEntries(
      given.map(([name, property]) => [name, 'optional' in property ? property.optional : property]),
    ),
  };
}

/** An object of a request, which must not have other members. */
export function body<T>(properties: Properties<T>, facets: JsonSchema = {}): Schema<T> {
  return object(properties, { additionalProperties: false, ...facets });
}

export function either<A, B>(one: Schema<A>, other: Schema<B>): Schema<A | B> {
  return { json: {}, anyOf: [one, other] };
}

export function named<T>(name: string, schema: Schema<T>): Schema<T> {
  return { ...schema, name };
}

/** Writes schemas into a document, those with a name once, among its components. */
export class SchemaWriter {
  /** @param withNullable whether the document has `nullable`, as OpenAPI 3.0 does, or the type `null` of JSON Schema */
  constructor(
    private readonly components: Record<string, unknown>,
    private readonly withNullable: boolean,
  ) {}

  write(schema: Schema<never>): JsonSchema {
    const { name } = schema;
    if (name === undefined) return this.inline(schema);
    this.components[name] ??= this.inline(schema);
    return { $ref: `#/components/schemas/${name}` };
  }

  private inline({ json, properties, items, anyOf }: Schema<never>): JsonSchema {
    const parts = Object.entries(properties ?? {}).map(([name, part]) => [name, this.write(part)] as const);
    const { nullable: isNullable, ...facets } = json;
    return {
      ...facets,
      ...(isNullable === true && (this.withNullable ? { nullable: true } : { type: [facets.type, 'null'] })),
      ...(properties && { properties: Object.fromEntries(parts) }),
      ...(items && { items: this.write(items) }),
      ...(anyOf && { anyOf: anyOf.map((each) => this.write(each)) }),
    };
  }
}
