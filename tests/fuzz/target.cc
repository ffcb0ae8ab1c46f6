#include "tests/fuzz/target.h"

namespace carillon::fuzz {

std::span<const Target> targets() {
  static constexpr Target kTargets[] = {
      {"apns_channel_reply", try_apns_channel_reply},
      {"apns_verdict", try_apns_verdict},
      {"chunked_body", try_chunked_body},
      {"condition", try_condition},
      {"csv_line", try_csv_line},
      {"event", try_event},
      {"fcm_verdict", try_fcm_verdict},
      {"http2_session", try_http2_session},
      {"import_line", try_import_line},
      {"jwt", try_jwt},
      {"oauth_answer", try_oauth_answer},
      {"push_message", try_push_message},
      {"request_head", try_request_head},
      {"subscription", try_subscription},
      {"webpush_verdict", try_webpush_verdict},
  };
  return kTargets;
}

}  // namespace carillon::fuzz
