#include "providers/auth/oauth_token.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "providers/auth/oauth_answer.h"

namespace carillon::push::auth {
namespace {

using http2::Ending;
using http2::LoopTime;
using std::chrono::seconds;

}  // namespace

OauthToken::OauthToken(EventLoop& loop, http2::PoolConfig pool, ServiceAccount account,
                       std::string audience, std::string scope, std::function<Time()> calendar)
    : account_(std::move(account)),
      audience_(std::move(audience)),
      scope_(std::move(scope)),
      authority_(pool.url.authority()),
      path_(pool.url.path),
      calendar_(std::move(calendar)),
      pool_(loop, pool, *this),
      backoff_(pool.seed) {
  head_.first = {http2::header_of(":method", "POST"), http2::header_of(":scheme", "https"),
                 http2::header_of(":authority", authority_), http2::header_of(":path", path_)};
  head_.rest = {http2::header_of("content-type", "application/x-www-form-urlencoded"),
                http2::header_of("accept", "application/json")};
}

OauthToken::~OauthToken() = default;

std::shared_ptr<const std::string> OauthToken::header(Time now) {
  if (header_ != nullptr && now >= ends_at_) header_.reset();
  const bool due = header_ == nullptr || now >= refresh_at_;
  if (due && !fetching_ && !closing_ && pool_.now() >= retry_at_) fetch();
  return header_;
}

void OauthToken::fetch() {
  fetching_ = wanted_ = true;
  refused_ = false;
  pool_.pump();
}

bool OauthToken::prepare(http2::Stream& stream, http2::Share) {
  if (!std::exchange(wanted_, false)) return false;
  asked_at_ = calendar_();
  // The assertion's alphabet (base64url and dots) needs no escaping in a form.
  form_ =
      fmt::format("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={}",
                  account_.assertion(audience_, scope_, asked_at_));
  stream.head = &head_;
  stream.body = {form_, {}, {}};
  stream.keep_body = true;
  return true;
}

void OauthToken::settle(http2::Stream& stream) {
  stream.keep_body = false;
  fetching_ = false;
  form_.clear();
  if (stream.ending == Ending::kAnswered) {
    take_answer(stream);
    if (!closing_) pool_.retire(stream);  // the next token is an hour away
  } else {
    fail(fmt::format("{}: no answer to the token request ({})", authority_, stream.word), false);
  }
}

void OauthToken::take_answer(const http2::Stream& stream) {
  const OauthAnswer answer = read_oauth_answer(stream.status, stream.answer_body);
  if (answer.token.empty()) {
    return fail(fmt::format("{}: {}", authority_, answer.error), answer.refused);
  }
  // A token's life begins when it is issued: after it was asked for, before the answer is here.
  fetched_at_ = asked_at_;
  ends_at_ = fetched_at_ + answer.life;
  refresh_at_ = ends_at_ - std::min<seconds>(kRefreshEarly, answer.life / 4);
  header_ = std::make_shared<const std::string>("Bearer " + answer.token);
  error_.clear();
  backoff_.on_success();
  changed_ = true;
}

void OauthToken::fail(std::string error, bool refused) {
  error_ = std::move(error);
  refused_ = refused;
  changed_ = true;
  const LoopTime pause = refused ? LoopTime(kRefusedPause) : backoff_.on_failure();
  retry_at_ = pool_.now() + pause;
}

// Not from `settle`: whoever is told may ask for the next token at once.
void OauthToken::on_turn_end() {
  if (std::exchange(changed_, false) && !closing_ && on_changed_) on_changed_();
}

bool OauthToken::on_refused(const std::string& header, Time now) {
  if (header_ == nullptr || header_.get() != &header) return true;
  if (now - fetched_at_ < kKeepAtLeast) return false;
  header_.reset();
  return true;
}

std::string OauthToken::error() const {
  return !error_.empty() || header_ != nullptr ? error_ : pool_.last_error();
}

void OauthToken::close(std::function<void()> done) {
  closing_ = true;
  wanted_ = false;
  pool_.close(LoopTime(0), std::move(done));
}

}  // namespace carillon::push::auth
