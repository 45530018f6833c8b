import type { KeyObject } from 'node:crypto';
import type { INestApplication } from '@nestjs/common';
import type {
  ApiTokenService,
  AuditEvent,
  AuditService,
  CredentialService,
  SigraJwtService,
  TokenCleanupService,
} from 'nestjs-sigra';
import type { DataSource, EntityManager, MigrationInterface } from 'typeorm';

// The host that the snippets of the documents assume. They are compiled against it, and never run.

export declare class User {
  id: string;
  email: string;
  plan: string;
  isAdmin: boolean;
  disabledAt: Date | null;
}
export declare class Account {
  uid: string;
  suspended: boolean;
}
export declare class Settings {
  get(name: string): string;
}
export declare class AppModule {
  configure(): void;
}
export declare class ProjectsController {
  list(): void;
}
export declare const myMigrations: (new () => MigrationInterface)[];

export declare const app: INestApplication;
export declare const url: string;
export declare const dataSource: DataSource;
export declare const tokens: ApiTokenService;
export declare const jwt: SigraJwtService;
export declare const credentials: CredentialService;
export declare const audit: AuditService;
export declare const cleanup: TokenCleanupService;

export declare const user: User;
export declare const familyId: string;
export declare const tokenId: string;
export declare const rawToken: string;
export declare const leakedAt: Date;
export declare const refreshToken: string;
export declare const oldKey: KeyObject;
export declare const kmsPublicKey: KeyObject;
export declare function signWithKms(input: Buffer): Promise<Uint8Array>;
export declare const oldPublicKey: KeyObject;
export declare const newKey: KeyObject;

export declare function accountsOfAnotherService(ids: readonly string[]): Promise<Account[]>;
export declare function userOfCertificate(request: unknown): User | undefined;
export declare function userOfPassword(body: unknown): Promise<User>;
export declare function userOfOldToken(request: unknown): Promise<User | undefined>;
export declare function verifyOldToken(header: unknown): Promise<{ jti: string; sub: string; exp: number } | undefined>;
export declare function projectsOf(user: User): Promise<readonly unknown[]>;
export declare function archive(manager: EntityManager, projectId: string): Promise<void>;
export declare function disable(user: User): Promise<void>;
export declare function enable(user: User): Promise<void>;
export declare function endSessions(user: User): Promise<void>;
export declare function deleteUser(user: User): Promise<void>;
export declare function sendMail(userId: unknown, text: string): Promise<void>;
export declare const cursorStore: { read(): Promise<string | undefined>; write(cursor: string): Promise<void> };
export declare function forward(event: AuditEvent): Promise<void>;
export declare function alarm(userId: string): void;
export declare function count(outcome: string): void;

/** In browsers. */
export declare const navigator: { locks: { request<T>(name: string, act: () => Promise<T>): Promise<T> } };
