const mebibyte = 1024 * 1024;

/** What the cluster may use, in bytes. */
export interface PostgresMeans {
  /** That this machine, or the container we are in, has. */
  readonly memory: number;
  /** That is free on the cluster's disk. */
  readonly disk: number;
}

/** The whole postgresql.conf of a cluster of ours, written anew at every start. */
export function postgresConfig(host: string, port: number, { memory, disk }: PostgresMeans): string {
  return `# Written by npm start, every time. Settings of your own: ALTER SYSTEM SET …, kept in postgresql.auto.conf.

# For this machine alone.
listen_addresses = '${host}'
port = ${port}
# No socket file: its path may be longer than the 107 bytes a system allows.
unix_socket_directories = ''
# Three ledgers with their pools, migrations and a few people looking in.
max_connections = 100

# What was answered is on disk: the service's promise rests on these three.
fsync = on
synchronous_commit = on
full_page_writes = on
# Pages written whole after a checkpoint are left as they are: compressing them cost up to 40 % more processor time per
# command, and saved a tenth of the log.
wal_compression = off
# A quarter of what is free on the disk, from 128 MB to 16 GB, of which it takes what it has a use for: fewer checkpoints,
# fewer pages written whole. With 10 million accounts that makes commands a third to a half faster.
max_wal_size = ${logSize(disk)}MB

# A quarter of the memory, from 128 MB to 8 GB, of which it takes what it has a use for. Accounts and the journal's indexes
# are reached at random: with 1 GB a command on one of 10 million accounts reads 2.6 pages and writes two out to make room.
shared_buffers = ${sharedBuffers(memory)}MB
# From the operating system's ordinary memory: reserving huge pages needs an administrator.
huge_pages = off
# Short statements only: compiling them costs more than it brings.
jit = off

# Lines go to the supervisor, which shows them: no file that grows.
logging_collector = off
log_destination = stderr
log_line_prefix = ''
# Every five minutes a checkpoint is nothing to tell.
log_checkpoints = off
# The same words and times everywhere.
lc_messages = 'C'
timezone = 'UTC'
log_timezone = 'UTC'
`;
}

function sharedBuffers(memory: number): number {
  return Math.round(Math.min(8192, Math.max(128, memory / 4 / mebibyte)));
}

function logSize(disk: number): number {
  return Math.round(Math.min(16_384, Math.max(128, disk / 4 / mebibyte)));
}

/** The whole pg_hba.conf: people and services of this machine, with the password. */
export function postgresAccessRules(host: string): string {
  return `# Written by npm start, every time.
# type  database  user  address  method
host    all       all   ${host}/32  scram-sha-256
`;
}
