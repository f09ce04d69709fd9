/** The variant of all uuids that are made today, and the one that RFC 9562 reserves for the future. */
const variants = { usual: { bits: 0x80, mask: 0x3f }, reserved: { bits: 0xe0, mask: 0x1f } } as const;

/** The text of a uuid made of 16 bytes, with version and variant set as RFC 9562 asks. */
export function formatUuid(bytes: Buffer, version: 7 | 8, variant: keyof typeof variants = 'usual'): string {
  const { bits, mask } = variants[variant];
  const stamped = Buffer.from(bytes);
  stamped[6] = (stamped.readUInt8(6) & 0x0f) | (version << 4);
  stamped[8] = (stamped.readUInt8(8) & mask) | bits;
  const hex = stamped.toString('hex', 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
