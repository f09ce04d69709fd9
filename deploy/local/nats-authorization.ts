import { natsPermissions, natsUserNames, type NatsUserName } from '../../shared/contracts/nats-users.ts';

/** A caller of the ledger waits for 5 s at most, and the settler's attempts are shorter. */
const answerWithin = '1m';

/**
 * The `authorization` section of a nats-server.conf: our users with what each may do. Nobody else comes in.
 * `passwordOf` gives each user's password as the file has it, quotation marks included.
 */
export function natsAuthorization(
  passwordOf: (user: NatsUserName) => string,
  more: readonly string[] = [],
): string {
  const users = [...natsUserNames.map((user) => userSection(user, passwordOf(user))), ...more];
  return `authorization {\n  users: [\n${users.join('')}  ]\n}\n`;
}

function userSection(user: NatsUserName, password: string): string {
  const { purpose, publish, subscribe, answers } = natsPermissions[user];
  return `    # ${purpose}
    {
      user: "${user}"
      password: ${password}
      permissions {
        publish: ${list(publish)}
        subscribe: ${list(subscribe)}
${answers ? `        allow_responses: { max: 1, expires: "${answerWithin}" }\n` : ''}      }
    }
`;
}

function list(subjects: readonly string[]): string {
  return `[\n${subjects.map((subject) => `          "${subject}"\n`).join('')}        ]`;
}
