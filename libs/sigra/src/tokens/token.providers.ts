import { OwnerGate } from './owner.gate.js';
import { AdministratorGate } from './administrator.gate.js';
import { ApiTokenAdminService } from './api-token-admin.service.js';
import { ApiTokenCreator } from './api-token.creator.js';
import { ApiTokenIssuer } from './api-token.issuer.js';
import { ApiTokenLocker } from './api-token.locker.js';
import { ApiTokenRevoker } from './api-token.revoker.js';
import { ApiTokenRotator } from './api-token.rotator.js';
import { ApiTokenService } from './api-token.service.js';
import { ApiTokenUpdater } from './api-token.updater.js';
import { ApiTokenVerifier } from './api-token.verifier.js';
import { HashedTokenImporter } from './hashed-token.importer.js';
import { IssueReplayer } from './issue.replayer.js';
import { LastUsedRecorder } from './last-used.recorder.js';
import { MatchingTokenRevoker } from './matching-token.revoker.js';
import { SecretHashRecorder } from './secret-hash.recorder.js';
import { UsageReader } from './usage.reader.js';
import { UsageRecorder } from './usage.recorder.js';
import { VerifyFailureRecorder } from './verify-failure.recorder.js';

/** The providers of API tokens. */
export const tokenProviders = [
  ApiTokenCreator,
  ApiTokenIssuer,
  HashedTokenImporter,
  IssueReplayer,
  ApiTokenVerifier,
  ApiTokenLocker,
  ApiTokenRotator,
  ApiTokenUpdater,
  ApiTokenRevoker,
  ApiTokenService,
  AdministratorGate,
  OwnerGate,
  MatchingTokenRevoker,
  ApiTokenAdminService,
  LastUsedRecorder,
  SecretHashRecorder,
  UsageReader,
  UsageRecorder,
  VerifyFailureRecorder,
];
