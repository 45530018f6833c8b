import type { DataSource, EntityMetadata } from 'typeorm';
import { isStorable } from '../common/storable-text.js';
import { isUuid } from '../common/uuid.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { quote } from './qualified-names.js';
import type { CatalogFacts } from './table-catalog.js';

export type UserColumn = EntityMetadata['columns'][number];

/** The types of ids, by their names in `pg_type` and in TypeORM. */
const TYPES = {
  uuid: 'uuid',
  int2: 'smallint',
  smallint: 'smallint',
  int4: 'integer',
  integer: 'integer',
  int8: 'bigint',
  bigint: 'bigint',
  text: 'text',
  varchar: 'text',
  'character varying': 'text',
  citext: 'citext',
} as const;

type IdType = (typeof TYPES)[keyof typeof TYPES];

const BITS: Readonly<Partial<Record<IdType, bigint>>> = { smallint: 15n, integer: 31n, bigint: 63n };

const BIGINT_RANGE = '-9223372036854775808 AND 9223372036854775807';

/** The column of the users' ids: which ids it can hold, how it compares them, and how Sigra spells them. */
export class UserIdColumn {
  private readonly type: IdType;

  /** @param facts what the database knows about the column */
  constructor(
    readonly column: UserColumn,
    private readonly driver: DataSource['driver'],
    private readonly facts: CatalogFacts,
  ) {
    const declared = driver.normalizeType(column);
    // The database is asked first: a host's migrations can differ from its entity.
    const name = facts.column?.type ?? declared;
    if (column.isArray || !Object.hasOwn(TYPES, name)) {
      throw new SigraConfigError(
        'users.id',
        `is a column of type "${column.isArray ? `${declared}[]` : name}" of ${column.entityMetadata.name}; ` +
          'Sigra reads uuid, integer and text ids itself. Give users.provider instead of users.entity',
      );
    }
    this.type = TYPES[name as keyof typeof TYPES];
  }

  /**
   * The only spelling of an id in Sigra's tables, so that one owner has one id: uuid and citext columns do not distinguish
   * upper and lower case. All others do, and a transformer can make an id of any kind.
   */
  canonical(id: string): string {
    if (this.column.transformer) return id;
    if (this.type === 'uuid') return id.toLowerCase();
    return this.type === 'citext' ? this.lower(id) : id;
  }

  /** Whether two spellings can be the same id. */
  get hasSpellings(): boolean {
    return this.type === 'citext' && !this.column.transformer;
  }

  /**
   * The values of the column that can belong to an id: none when the id is invalid for its type, because one invalid value
   * would fail the query of other callers.
   */
  valuesOf(id: string): readonly string[] {
    if (!this.column.transformer) return this.accepts(id) ? [id] : [];
    // A string does not tell whether the property is a string, a number or a bigint. The user that is found does.
    const forms: unknown[] = [id];
    if (/^(?:0|-?[1-9][0-9]{0,39})$/.test(id)) forms.push(Number(id), BigInt(id));
    const values = forms.flatMap((form) => this.persisted(form)).filter((value) => this.accepts(value));
    return [...new Set(values)];
  }

  /**
   * SQL for whether a column equals an id.
   *
   * @param column an SQL expression
   * @param id an SQL expression of type text
   * @param checksIds whether an id that is invalid for the column's type equals no value. Otherwise it fails the whole query, and
   * a join takes up to a third less time
   */
  equals(column: string, id: string, checksIds: boolean): string {
    switch (this.type) {
      case 'uuid':
        return `${column} = ${checksIds ? `CASE WHEN ${uuidCondition(id)} THEN ${id}::uuid END` : `${id}::uuid`}`;
      case 'smallint':
      case 'integer':
      case 'bigint':
        if (!checksIds) return `${column} = ${id}::bigint`;
        // CASE in CASE, because PostgreSQL can evaluate the operands of AND in any order.
        return (
          `${column} = CASE WHEN ${id} ~ '^(0|-?[1-9][0-9]{0,18})$' ` +
          `THEN CASE WHEN ${id}::numeric BETWEEN ${BIGINT_RANGE} THEN ${id}::bigint END END`
        );
      case 'text':
        return `${column} = ${id}`;
      case 'citext': {
        const schema = this.facts.column?.typeSchema ?? this.facts.citextSchema;
        // The operator too has its schema. Without it in the search path, texts would be compared, without the index.
        return schema === undefined
          ? `${column} = ${id}::citext`
          : `${column} OPERATOR(${quote(schema)}.=) (${id})::${quote(schema)}.citext`;
      }
    }
  }

  private accepts(value: string): boolean {
    const bits = BITS[this.type];
    if (this.type === 'uuid') return isUuid(value.toLowerCase());
    if (bits === undefined) return isStorable(value);
    return /^(?:0|-?[1-9][0-9]{0,18})$/.test(value) && BigInt.asIntN(Number(bits) + 1, BigInt(value)) === BigInt(value);
  }

  private persisted(form: unknown): string[] {
    let value: unknown;
    try {
      value = this.driver.preparePersistentValue(form, this.column);
    } catch {
      // The transformer takes values of another type.
      return [];
    }
    return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' ? [String(value)] : [];
  }

  /** Lower-cases each character as PostgreSQL does. `toLowerCase()` of the whole string also looks at their neighbours. */
  private lower(id: string): string {
    return Array.from(id, (character) => {
      const lower = character.toLowerCase();
      return lower.length === character.length && (this.facts.lowersUnicode || character <= '\x7f') ? lower : character;
    }).join('');
  }
}

/** SQL for whether a string is a hyphenated UUID, in either case. A regular expression takes three times as long. */
function uuidCondition(text: string): string {
  return `${text} LIKE '________-____-____-____-____________' AND translate(${text}, '0123456789abcdefABCDEF', '') = '----'`;
}
