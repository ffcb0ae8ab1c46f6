#include "providers/webpush/webpush_dialect.h"

#include <fmt/format.h>

#include "providers/webpush/webpush_verdict.h"

namespace carillon::push {

Judgement WebPushDialect::judge(const Answer& answer, const std::string& sent_with,
                                std::chrono::system_clock::time_point now) {
  WebPushJudgement judged = judge_webpush(answer, now);
  Verdict& verdict = judged.verdict;
  if (verdict.kind == VerdictKind::kAccepted && taken_.get() != &sent_with) {
    standing_->taken = true;
    const auto current = token_->header(now);
    if (current.get() == &sent_with) taken_ = current;
  }
  if (judged.advice == WebPushAdvice::kVapidRefused) judge_refusal(verdict, sent_with, now);
  return {.verdict = std::move(verdict)};
}

void WebPushDialect::judge_refusal(Verdict& verdict, const std::string& sent_with,
                                   std::chrono::system_clock::time_point now) {
  if (taken_.get() == &sent_with) {
    verdict.kind = VerdictKind::kTokenUnusable;
    return;
  }
  error_ = fmt::format("{} refused the VAPID token: {} (status {})", origin_, verdict.reason,
                       verdict.status);
  if (token_->on_refused(sent_with, now) != auth::VapidToken::Refusal::kTooYoung) {
    verdict.kind = VerdictKind::kNotSent;  // refused, so not processed; a new token may do
  } else if (standing_->taken) {
    verdict.kind = VerdictKind::kUnavailable;
  }
}

}  // namespace carillon::push
