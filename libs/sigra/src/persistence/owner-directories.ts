import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { type OwnerReference, referenceIn } from '../common/owner-reference.js';
import type { Owner } from '../common/principal.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { OwnerKey, OwnerSource } from './owned-record.reader.js';
import type { OwnerFilter } from './owner.repository.js';
import { literal } from './qualified-names.js';
import { SigraDatabase } from './sigra-database.js';
import { UserDirectory, type UserRef } from './user-directory.js';
import { OWNER_ENTITIES, type OwnerEntities } from './user-entity.js';

/** A user, its id, or another owner as `ownerRef()` names it. */
export type OwnerRef = UserRef | OwnerReference;

/** The directories of all types of owners that the module has: users, and those of the option `owners`. */
@Injectable()
export class OwnerDirectories implements OnModuleInit {
  readonly users: UserDirectory;
  /** All of them, with that of the users first. */
  readonly all: readonly UserDirectory[];
  private readonly byType: ReadonlyMap<string, UserDirectory>;

  constructor(
    @InjectSigraConfig() { ownerTypes, lookupTimeout }: SigraConfig,
    database: SigraDatabase,
    @Inject(OWNER_ENTITIES) entities: OwnerEntities,
    moduleRef: ModuleRef,
  ) {
    const [users, ...others] = ownerTypes;
    this.users = new UserDirectory(users, lookupTimeout, database, entities.get(users.type), moduleRef);
    this.all = [
      this.users,
      ...others.map(
        (owners, index) =>
          new UserDirectory(owners, lookupTimeout, database, entities.get(owners.type), moduleRef, `owner_${index}`),
      ),
    ];
    this.byType = new Map(this.all.map((directory) => [directory.type, directory]));
  }

  onModuleInit(): void {
    for (const directory of this.all) directory.start();
  }

  /** The directory of a type; undefined for a type that the module does not have. */
  of(type: string): UserDirectory | undefined {
    return this.byType.get(type);
  }

  /**
   * The owner that a caller names.
   *
   * @throws TypeError for a type that is not configured, and as `UserDirectory.idOf`
   */
  ownerOf(ref: OwnerRef): Owner {
    const reference = referenceIn(ref);
    if (!reference) return this.users.ownerOf(ref);
    const directory = this.of(reference.type);
    if (!directory) throw new TypeError(`sigra: "${reference.type}" is not a type of owners`);
    return directory.ownerOf(reference.owner);
  }

  /**
   * The owners of records of all types. With users alone, it is their directory.
   *
   * @param ownerType the SQL expression of the type of a record's owner
   */
  sourceFor(ownerType: string): OwnerSource {
    if (this.all.length === 1) return this.users;
    return {
      // The id is null for owners of other types: it could be invalid for the column, or that of another owner.
      joins: (ownerId) =>
        this.all.flatMap((directory) =>
          directory.joins(`(CASE WHEN ${ownerType} = ${literal(directory.type)} THEN ${ownerId} END)`),
        ),
      activeOwner: (row, owner: OwnerKey) => this.of(owner.ownerType ?? '')?.activeOwner(row, owner),
    };
  }

  /** Whose credentials a call without an owner finds: those of all owners of the module, but not of other modules. */
  get anyOwner(): OwnerFilter {
    return { type: this.all.length === 1 ? this.users.type : this.types };
  }

  get types(): readonly string[] {
    return this.all.map(({ type }) => type);
  }

  /** SQL for whether an expression is one of the types. */
  isKnown(ownerType: string): string {
    const types = this.all.map(({ type }) => literal(type));
    return types.length === 1 ? `${ownerType} = ${types.join()}` : `${ownerType} IN (${types.join(', ')})`;
  }
}
