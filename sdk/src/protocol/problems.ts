// The only table from error code to what a caller may see: status and title of the problem (RFC 9457), X-Road's
// fault code (facts on the wire: docs/divergences.md), how to mend it. docs/problems.md is generated from it.

export interface ProblemSpec {
  /** Status of the problem; an X-Road fault is 500 whatever stands here. */
  readonly status: number;
  readonly title: string;
  /** How to mend it, in the caller's language. */
  readonly hint: { readonly en: string; readonly vi: string };
  /** Last part of the X-Road fault code, in CamelCase: `Server.ClientProxy.<fault>`. */
  readonly fault: string;
}

const p = (status: number, fault: string, title: string, en: string, vi: string): ProblemSpec => ({
  status,
  fault,
  title,
  hint: { en, vi },
});

export const PROBLEMS = {
  // What a caller sent could not be read.
  base64url_invalid: p(
    400,
    'InternalError',
    'Not base64url in its one form',
    'Send base64url without padding.',
    'Gửi base64url không có ký tự đệm.',
  ),
  json_invalid: p(
    400,
    'InternalError',
    'Not JSON in its one form',
    'Send JSON exactly as JSON.stringify writes it: no blanks, no duplicate names.',
    'Gửi JSON đúng như JSON.stringify viết ra: không khoảng trắng, không trùng tên.',
  ),
  identifier_invalid: p(
    400,
    'InvalidClientIdentifier',
    'Identifier is malformed',
    'A client is INSTANCE/CLASS/CODE/SUBSYSTEM, a service INSTANCE/CLASS/CODE/SUBSYSTEM/SERVICE; each part is percent-encoded by itself.',
    'Hệ thống con là INSTANCE/CLASS/CODE/SUBSYSTEM, dịch vụ là INSTANCE/CLASS/CODE/SUBSYSTEM/SERVICE; mã hoá phần trăm riêng từng phần.',
  ),
  head_invalid: p(
    400,
    'InternalError',
    'Header is malformed',
    'Send token names and values without control characters.',
    'Gửi tên tiêu đề hợp lệ và giá trị không có ký tự điều khiển.',
  ),
  head_too_large: p(
    431,
    'InternalError',
    'Header is too large',
    'Send at most 100 header lines and 20 KiB.',
    'Gửi tối đa 100 dòng tiêu đề và 20 KiB.',
  ),
  body_too_large: p(413, 'IOError', 'Body is too large', 'Send a smaller body.', 'Gửi nội dung nhỏ hơn.'),
  request_invalid: p(
    400,
    'InvalidRequest',
    'Request does not fit its description',
    'Compare the request with the API description at /openapi.json.',
    'So sánh yêu cầu với mô tả API tại /openapi.json.',
  ),
  body_aborted: p(
    400,
    'IOError',
    'Body did not come to its end',
    'Send the whole body again: the service was not called.',
    'Gửi lại toàn bộ nội dung: dịch vụ chưa được gọi.',
  ),
  body_too_slow: p(
    408,
    'IOError',
    'Body came too slowly',
    'Send at least 64 KiB a second, without a pause of 30 seconds.',
    'Gửi ít nhất 64 KiB mỗi giây, không ngừng quá 30 giây.',
  ),
  request_timeout: p(
    408,
    'IOError',
    'Request did not arrive in time',
    'Send the whole request within 30 seconds.',
    'Gửi toàn bộ yêu cầu trong vòng 30 giây.',
  ),
  not_found: p(404, 'NotFound', 'There is no such thing here', 'Check the address.', 'Kiểm tra địa chỉ.'),
  conflict: p(
    409,
    'InvalidRequest',
    'The state does not allow it',
    'Read the current state, then decide again.',
    'Đọc trạng thái hiện tại rồi quyết định lại.',
  ),
  request_target_invalid: p(
    400,
    'InternalError',
    'Request target is malformed',
    'Call /r1/INSTANCE/CLASS/CODE/SUBSYSTEM/SERVICE[/path][?query].',
    'Gọi /r1/INSTANCE/CLASS/CODE/SUBSYSTEM/SERVICE[/path][?query].',
  ),
  method_invalid: p(
    405,
    'InternalError',
    'Method is not carried',
    'Use DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT or TRACE.',
    'Dùng DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT hoặc TRACE.',
  ),
  represented_party_invalid: p(
    400,
    'InternalError',
    'X-Road-Represented-Party is malformed',
    'Write CLASS/CODE or CODE.',
    'Viết CLASS/CODE hoặc CODE.',
  ),
  client_missing: p(
    400,
    'InvalidClientIdentifier',
    'X-Road-Client is missing',
    'Name the subsystem that asks: X-Road-Client: INSTANCE/CLASS/CODE/SUBSYSTEM.',
    'Nêu hệ thống con gọi: X-Road-Client: INSTANCE/CLASS/CODE/SUBSYSTEM.',
  ),
  form_invalid: p(
    400,
    'InternalError',
    'Data-Form does not agree with the message',
    'Send one Data-Form line: base64url of its JSON.',
    'Gửi một dòng Data-Form: base64url của JSON.',
  ),
  purpose_invalid: p(
    400,
    'InternalError',
    'Data-Purpose does not agree with the message',
    'Send one Data-Purpose line.',
    'Gửi một dòng Data-Purpose.',
  ),
  busy: p(
    503,
    'NetworkError',
    'Too many requests at once',
    'Try again after the time in Retry-After.',
    'Thử lại sau thời gian trong Retry-After.',
  ),

  // Who is asking, and may they.
  unauthenticated: p(
    401,
    'SslAuthenticationFailed',
    'Authentication failed',
    'Send Authorization: Bearer with a valid API key.',
    'Gửi Authorization: Bearer với khoá API hợp lệ.',
  ),
  forbidden: p(
    403,
    'AccessDenied',
    'The role does not allow it',
    'Ask for a key with the role named in the API description.',
    'Xin khoá có vai trò nêu trong mô tả API.',
  ),
  client_unknown: p(
    404,
    'UnknownMember',
    'Client is not registered here',
    'Register the subsystem on this security server, or call the server where it is registered.',
    'Đăng ký hệ thống con trên máy chủ an ninh này, hoặc gọi máy chủ đã đăng ký.',
  ),
  client_not_authenticated: p(
    401,
    'SslAuthenticationFailed',
    'Client did not authenticate as required',
    'Connect as the subsystem is set up on its security server: https over TLS, mutual with a certificate added there.',
    'Kết nối đúng cách đã thiết lập cho hệ thống con trên máy chủ an ninh: https qua TLS, mutual với chứng thư đã thêm tại đó.',
  ),
  client_suspended: p(
    403,
    'UnknownMember',
    'Member is suspended',
    'Ask the registry why.',
    'Hỏi cơ quan đăng ký lý do.',
  ),
  provider_unknown: p(
    404,
    'UnknownMember',
    'No security server offers this subsystem',
    'Check the service identifier; onceway catalogue lists what there is.',
    'Kiểm tra định danh dịch vụ; onceway catalogue liệt kê những gì hiện có.',
  ),
  security_server_invalid: p(
    400,
    'InvalidSecurityServer',
    'X-Road-Security-Server is not a server of this provider',
    'Leave the header out, or name a server that hosts the provider.',
    'Bỏ tiêu đề này hoặc nêu máy chủ của bên cung cấp.',
  ),
  service_unknown: p(
    404,
    'UnknownService',
    'Unknown service',
    'Ask the provider with listMethods what it offers.',
    'Dùng listMethods để hỏi bên cung cấp có dịch vụ nào.',
  ),
  service_disabled: p(
    503,
    'ServiceDisabled',
    'Service is switched off by its provider',
    'Ask the provider when it will be back.',
    'Hỏi bên cung cấp khi nào dịch vụ hoạt động lại.',
  ),
  access_denied: p(
    403,
    'AccessDenied',
    'No access right for this service',
    'Ask the provider to grant your subsystem this service or endpoint.',
    'Đề nghị bên cung cấp cấp quyền cho hệ thống con của bạn.',
  ),

  // Trust.
  configuration_missing: p(
    503,
    'MalformedGlobalConf',
    'No global configuration yet',
    'Check that the registry answers and the anchor is its own.',
    'Kiểm tra cơ quan đăng ký và tệp neo.',
  ),
  configuration_expired: p(
    503,
    'OutdatedGlobalConf',
    'Global configuration is expired',
    'The registry has not published since; the server resumes by itself when it does.',
    'Cơ quan đăng ký chưa công bố bản mới; máy chủ tự hoạt động lại khi có.',
  ),
  configuration_invalid: p(
    502,
    'MalformedGlobalConf',
    'Global configuration is not genuine',
    'Compare the anchor with the one the registry publishes.',
    'So sánh tệp neo với bản cơ quan đăng ký công bố.',
  ),
  configuration_older: p(
    409,
    'MalformedGlobalConf',
    'Global configuration is older than the one held',
    'Nothing to do here: the older one was refused.',
    'Không cần làm gì: bản cũ đã bị từ chối.',
  ),
  configuration_fork: p(
    409,
    'MalformedGlobalConf',
    'Two configurations carry one sequence number',
    'Proof of fraud or a restored registry: call the security officer.',
    'Dấu hiệu gian lận hoặc khôi phục sai: báo cán bộ an ninh.',
  ),
  certificate_invalid: p(
    403,
    'CertValidation',
    'Certificate is not acceptable',
    'Use a certificate of the right purpose, in its validity, from an approved authority.',
    'Dùng chứng thư đúng mục đích, còn hiệu lực, do tổ chức được phê duyệt cấp.',
  ),
  certificate_revoked: p(
    403,
    'CertValidation',
    'Certificate is revoked',
    'Have a new certificate issued and registered.',
    'Xin cấp và đăng ký chứng thư mới.',
  ),
  certificate_status_unknown: p(
    503,
    'CertValidation',
    'No fresh status of the certificate',
    'The OCSP responder has not answered within the grace; the server asks again by itself.',
    'Máy chủ OCSP chưa trả lời trong thời hạn; hệ thống tự hỏi lại.',
  ),
  peer_not_authenticated: p(
    403,
    'SslAuthenticationFailed',
    'Security server is not who it says',
    'Check the registered authentication certificate of the server.',
    'Kiểm tra chứng thư xác thực đã đăng ký của máy chủ.',
  ),
  signing_key_unavailable: p(
    503,
    'CannotCreateSignature',
    'No usable signing key',
    'Log in to the token and register a signing certificate for the member.',
    'Đăng nhập token và đăng ký chứng thư ký cho thành viên.',
  ),
  clock_skewed: p(
    409,
    'InvalidRequest',
    'The two clocks disagree beyond the allowed skew',
    'Set the clock by NTP.',
    'Đồng bộ đồng hồ bằng NTP.',
  ),

  // The message between security servers.
  envelope_invalid: p(
    400,
    'InvalidRest',
    'Envelope is malformed',
    'See docs/protocol.md.',
    'Xem docs/protocol.md.',
  ),
  signature_invalid: p(
    400,
    'SignatureVerification',
    'Signature does not verify',
    'See docs/protocol.md.',
    'Xem docs/protocol.md.',
  ),
  signer_not_listed: p(
    403,
    'SignatureVerification',
    'Certificate is not listed for this member on this server',
    'Register the signing certificate at the registry.',
    'Đăng ký chứng thư ký tại cơ quan đăng ký.',
  ),
  commitment_mismatch: p(
    400,
    'SignatureVerification',
    'Content is not what was signed',
    'The message was altered on its way.',
    'Thông điệp đã bị thay đổi trên đường.',
  ),
  message_misdirected: p(
    400,
    'InvalidRequest',
    'Message is for another server',
    'Send it where `to` says.',
    'Gửi đến máy chủ nêu trong `to`.',
  ),
  message_expired: p(
    400,
    'InvalidRequest',
    'Message is expired',
    'Send a new message.',
    'Gửi thông điệp mới.',
  ),
  message_from_future: p(
    409,
    'InvalidRequest',
    'Message is dated in the future',
    'Set the clock by NTP.',
    'Đồng bộ đồng hồ bằng NTP.',
  ),
  message_replayed: p(
    409,
    'InvalidRequest',
    'Message was received before',
    'Send a new message.',
    'Gửi thông điệp mới.',
  ),
  message_void: p(
    409,
    'InvalidRequest',
    'Message was declared not recorded',
    'Send a new message.',
    'Gửi thông điệp mới.',
  ),
  target_mismatch: p(
    400,
    'InvalidRequest',
    'Target and addressee disagree',
    'Call the service that the envelope names.',
    'Gọi đúng dịch vụ nêu trong phong bì.',
  ),
  answer_invalid: p(
    502,
    'SignatureVerification',
    'Answer of the provider does not verify',
    'Report it to the provider with the message id.',
    'Báo bên cung cấp kèm mã thông điệp.',
  ),
  answer_inconsistent: p(
    502,
    'InconsistentResponse',
    'Answer belongs to another request',
    'Report it to the provider with the message id.',
    'Báo bên cung cấp kèm mã thông điệp.',
  ),

  // What lies behind, and what fails on the way.
  provider_unreachable: p(
    502,
    'NetworkError',
    'Could not connect to any security server of the provider',
    'Try again later; nothing was sent.',
    'Thử lại sau; chưa có gì được gửi đi.',
  ),
  peer_refused: p(
    502,
    'SslAuthenticationFailed',
    'Security server of the provider refused the connection or message',
    'Check the registration of this server.',
    'Kiểm tra việc đăng ký máy chủ này.',
  ),
  service_url_missing: p(
    500,
    'ServiceMissingUrl',
    'Service has no address',
    'The provider must set the base URL.',
    'Bên cung cấp phải đặt địa chỉ cơ sở.',
  ),
  service_unreachable: p(
    502,
    'NetworkError',
    'Service could not be reached',
    'The service was not called; try again later.',
    'Dịch vụ chưa được gọi; thử lại sau.',
  ),
  service_timeout: p(
    504,
    'IOError',
    'Service did not answer in time',
    'It may have acted: ask it before you repeat.',
    'Dịch vụ có thể đã thực hiện: hỏi lại trước khi lặp.',
  ),
  service_failed: p(
    502,
    'IOError',
    'Service broke off its answer',
    'It may have acted: ask it before you repeat.',
    'Dịch vụ có thể đã thực hiện: hỏi lại trước khi lặp.',
  ),
  service_answer_invalid: p(
    502,
    'InvalidResponse',
    'Answer of the service can not be carried',
    'The provider must mend the header or size of its answer.',
    'Bên cung cấp phải sửa tiêu đề hoặc kích thước trả lời.',
  ),
  outcome_unknown: p(
    504,
    'IOError',
    'Whether the service acted is not known',
    'Ask GET /exchange/{Exchange-Id} before you repeat.',
    'Hỏi GET /exchange/{Exchange-Id} trước khi gửi lại.',
  ),
  not_recorded: p(
    409,
    'IOError',
    'The provider never recorded this request',
    'Send a new message.',
    'Gửi thông điệp mới.',
  ),
  log_unavailable: p(
    503,
    'LoggingFailed',
    'Message log can not be written',
    'Nothing is exchanged without evidence: free the disk, check its rights.',
    'Không có bằng chứng thì không trao đổi: kiểm tra ổ đĩa và quyền ghi.',
  ),
  log_broken: p(
    503,
    'LoggingFailed',
    'Message log contradicts itself',
    'Restore it from a copy; do not start anew over it.',
    'Khôi phục từ bản sao; không khởi tạo đè lên.',
  ),
  time_stamping_overdue: p(
    503,
    'TimestampingFailed',
    'Time-stamps are overdue beyond the limit',
    'Check the time-stamping authority; the server resumes by itself.',
    'Kiểm tra tổ chức cấp dấu thời gian; hệ thống tự hoạt động lại.',
  ),
  witness_overdue: p(
    503,
    'TimestampingFailed',
    'Witnesses are overdue beyond the limit',
    'Check the witnesses; the server resumes by itself.',
    'Kiểm tra các bên chứng kiến; hệ thống tự hoạt động lại.',
  ),
  witness_unavailable: p(
    503,
    'TimestampingFailed',
    'Witness did not cosign',
    'Check its address and key, and that it knows the log; it is asked again.',
    'Kiểm tra địa chỉ và khoá của bên chứng kiến; hệ thống sẽ hỏi lại.',
  ),

  // What the client of the SDK meets before its own security server, or instead of it.
  server_unreachable: p(
    503,
    'NetworkError',
    'Own security server could not be reached',
    'Check the address of the security server and that it runs; nothing was sent.',
    'Kiểm tra địa chỉ máy chủ an ninh và trạng thái hoạt động; chưa có gì được gửi đi.',
  ),
  registry_unreachable: p(
    503,
    'NetworkError',
    'Central registry could not be reached',
    'Check the address of the registry; repeat the step, it goes on where it stopped.',
    'Kiểm tra địa chỉ cơ quan đăng ký; lặp lại bước này, hệ thống sẽ tiếp tục từ chỗ dừng.',
  ),
  call_cancelled: p(
    499,
    'IOError',
    'Call was given up by its caller',
    'It may have acted if it was sent: ask the service before you repeat.',
    'Nếu đã gửi thì dịch vụ có thể đã thực hiện: hỏi lại trước khi lặp.',
  ),
  answer_incomplete: p(
    502,
    'IOError',
    'Answer broke off before its end',
    'The answer is on record: ask for it again with its message id.',
    'Câu trả lời đã được ghi lại: lấy lại bằng mã thông điệp.',
  ),

  // Proofs.
  proof_invalid: p(
    400,
    'InvalidHashChain',
    'Merkle proof does not verify',
    'The log does not hold what it claims.',
    'Nhật ký không chứa điều đã nêu.',
  ),
  entry_invalid: p(
    400,
    'MalformedHashChain',
    'Log entry is malformed',
    'See docs/protocol.md#entries.',
    'Xem docs/protocol.md#entries.',
  ),
  checkpoint_invalid: p(
    400,
    'MalformedHashChain',
    'Checkpoint does not verify',
    'Compare the log key with the configuration.',
    'So sánh khoá nhật ký với cấu hình.',
  ),
  time_stamp_invalid: p(
    400,
    'TimestampValidation',
    'Time-stamp does not verify',
    'Ask an approved time-stamping authority.',
    'Dùng tổ chức cấp dấu thời gian được phê duyệt.',
  ),

  // Keys and the token.
  pin_incorrect: p(
    401,
    'PinIncorrect',
    'PIN is wrong',
    'Give the PIN by file or environment.',
    'Cung cấp mã PIN qua tệp hoặc biến môi trường.',
  ),
  key_invalid: p(
    400,
    'CertImportFailed',
    'Key or certificate can not be used',
    'Import an ECDSA P-256 or RSA (2048 bits up) key with its certificate.',
    'Nhập khoá ECDSA P-256 hoặc RSA (từ 2048 bit) kèm chứng thư.',
  ),

  // Admission at the central registry.
  instance_unknown: p(
    400,
    'InvalidRequest',
    'Instance is not the one of this registry',
    'Name the instance that stands in the anchor.',
    'Nêu đúng phiên bản ghi trong tệp neo.',
  ),
  member_unknown: p(
    404,
    'UnknownMember',
    'Member is not admitted',
    'Ask the registration officer to admit the member first.',
    'Đề nghị cán bộ đăng ký kết nạp thành viên trước.',
  ),
  subject_unknown: p(
    404,
    'UnknownMember',
    'The configuration names no such client or group',
    'Check what you wrote; if it was registered a moment ago: onceway-server configuration refresh.',
    'Kiểm tra lại điều đã viết; nếu vừa được đăng ký: onceway-server configuration refresh.',
  ),
  server_unknown: p(
    404,
    'InvalidSecurityServer',
    'Security server is not registered',
    'Register the server first, and wait for the approval.',
    'Đăng ký máy chủ trước và chờ phê duyệt.',
  ),
  already_registered: p(
    409,
    'InvalidRequest',
    'It is registered already',
    'Nothing to do, or choose another code, log or certificate. If its certificate was approved a moment ago: wait for the new configuration (or refresh it), then ask again.',
    'Không cần làm gì, hoặc chọn mã, nhật ký hay chứng thư khác. Nếu chứng thư vừa được duyệt: chờ (hoặc làm mới) cấu hình, rồi yêu cầu lại.',
  ),
  request_pending: p(
    409,
    'InvalidRequest',
    'A request for the same thing is waiting',
    'Wait for the decision, or revoke the waiting request.',
    'Chờ quyết định hoặc rút yêu cầu đang chờ.',
  ),
  sequence_invalid: p(
    409,
    'InvalidRequest',
    'Sequence number is not above the last one',
    'Count up: a restored server takes the number after its last request.',
    'Tăng số thứ tự: máy chủ khôi phục dùng số sau yêu cầu cuối cùng.',
  ),
  enrolment_token_invalid: p(
    403,
    'AccessDenied',
    'Enrolment token is not valid for this',
    'Ask the registration officer for a new token for this member and server.',
    'Xin cán bộ đăng ký mã ghi danh mới cho thành viên và máy chủ này.',
  ),

  broken: p(
    500,
    'InternalError',
    'Something broke here',
    'Report it with the id in this answer.',
    'Báo lỗi kèm mã trong câu trả lời này.',
  ),
} as const satisfies Record<string, ProblemSpec>;

export type ErrorCode = keyof typeof PROBLEMS;

/** Where on the way a refusal was made. */
export type Hop = 'client' | 'consumer-server' | 'provider-server' | 'service' | 'registry';

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(PROBLEMS, text);
}
