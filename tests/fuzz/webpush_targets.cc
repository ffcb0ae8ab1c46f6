// Web Push and tokens: what is written is read back, and what was touched on the way is not.
#include <algorithm>

#include "device-sim/gateway/apns_provider_token.h"
#include "device-sim/gateway/jwt.h"
#include "device-sim/gateway/message_opener.h"
#include "device-sim/gateway/vapid_check.h"
#include "device-sim/population/browser_keys.h"
#include "providers/apns/apns_request.h"
#include "providers/fcm/fcm_request.h"
#include "providers/webpush/message_cipher.h"
#include "providers/webpush/subscription.h"
#include "tests/fuzz/target.h"

namespace carillon::fuzz {
namespace {

// When the tokens in the corpus were signed, and the public half of their key.
constexpr std::int64_t kSignedAt = 1'763'700'000;
constexpr std::string_view kSignerPem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAETzESIuZOC/6icP790UWVBYDVzBIs\n"
    "PzWfMm+5Iy/YCYw75OsAUP+gG0wn0efpKXwjA4OSf9yQFmad+QKx6K1olg==\n"
    "-----END PUBLIC KEY-----\n";
constexpr std::string_view kPushOrigin = "https://push.test";
constexpr std::uint64_t kBrowserSeed = 7;

const device_sim::PublicKey& signer() {
  static const auto key =
      device_sim::PublicKey::from_pem(kSignerPem, device_sim::PublicKey::Kind::kEcP256).value();
  return key;
}

}  // namespace

// The reading side: an authorization header as Apple and a push service take it apart.
void try_jwt(Bytes input) {
  using device_sim::ProviderTokenVerdict;
  const std::string_view text = text_of(input);
  if (const auto jwt = device_sim::parse_jwt(text)) {
    expect(jwt->header.is_object() && jwt->claims.is_object(), "both parts are objects");
    expect(device_sim::base64url_decode(device_sim::base64url_encode(jwt->signature)) ==
               jwt->signature,
           "base64url is read as it was written");
    signer().verifies(jwt->signed_part, jwt->signature);
    device_sim::seconds_member(jwt->claims, "iat");
  }
  device_sim::ApnsProviderTokens apns(
      {{.key_id = "FUZZKEY001", .team_id = "FUZZTEAM01", .public_key = signer()}});
  const auto told = apns.check(text, kSignedAt);
  expect(apns.check(text, kSignedAt) == told, "the same is told of the same");
  expect(told != ProviderTokenVerdict::kValid ||
             apns.check(text, kSignedAt + 7'200) == ProviderTokenVerdict::kExpired,
         "a token that is valid is not valid two hours later");
  device_sim::VapidTokens vapid(signer());
  const auto answer = vapid.check(text, kPushOrigin, kSignedAt);
  expect(answer != device_sim::VapidVerdict::kValid ||
             vapid.check(text, "https://other.test", kSignedAt) != answer,
         "a token is for one service");
}

//   input := touched(2, little-endian) rest
// `rest` is sealed for a browser and opened; then a byte of what was sealed is touched. And it is
// opened as it is, as if it came from outside.
void try_push_message(Bytes input) {
  if (input.size() < 2) return;
  const std::size_t touched = input[0] + std::size_t{256} * input[1];
  const std::string_view rest = text_of(input.subspan(2));
  static const device_sim::BrowserKeys browsers(kBrowserSeed);
  static device_sim::MessageOpener opener;
  static push::MessageCipher cipher;
  const auto any = opener.open(browsers, 1, rest);
  expect(!any || any->size() < rest.size(), "a message is shorter than its body");
  const auto records = opener.open_records("0123456789abcdef", rest);
  expect(!records || records->size() < rest.size(), "records are shorter than their body");

  push::SubscriptionKeys keys;
  keys.p256dh = browsers.public_key(1);
  keys.auth = browsers.secret(1);
  push::MessageSecrets secrets;
  secrets.private_key.fill(3);
  secrets.salt.fill(5);
  const std::string_view plain = rest.substr(0, push::kWebPushPlaintextBytesMax);
  std::string body;
  expect(cipher.seal(keys, plain, secrets, body), "a browser's key is a point of the curve");
  expect(body.size() == plain.size() + push::kSealBytes, "a seal has one size");
  // A message that ends in zeros ends in them still: the delimiter is behind them.
  expect(opener.open(browsers, 1, body) == plain, "what is sealed is read");
  expect(!opener.open(browsers, 2, body), "by nobody else");
  const std::size_t at = touched % body.size();
  if (at >= 16 && at < 20) return;  // the record size is not sealed; one record fits most
  body[at] = static_cast<char>(body[at] ^ 1);
  expect(!opener.open(browsers, 1, body), "what was touched is not read");
}

// endpoint, p256dh and auth, each on a line; and all of it as a token.
void try_subscription(Bytes input) {
  static const auto origins = push::OriginList::parse({"push.test", "*.push.test:8443"}).value();
  const std::string_view text = text_of(input);
  push::is_apns_token(text);
  push::is_fcm_token(text);
  if (const auto any = push::read_subscription(text)) {
    expect(any->origin.starts_with("https://"), "an origin is https");
    expect(any->path.starts_with('/'), "a path begins with a slash");
  }
  const std::size_t first = std::min(text.find('\n'), text.size());
  const std::size_t second = std::min(text.find('\n', first + 1), text.size());
  const auto part = [&](std::size_t from, std::size_t to) {
    return from < to ? text.substr(from, to - from) : std::string_view();
  };
  const push::SubscriptionTexts texts{.endpoint = part(0, first),
                                      .p256dh = part(first + 1, second),
                                      .auth = part(second + 1, text.size())};
  const auto token = push::write_subscription(texts, origins);
  if (!token) {
    expect(token.error().pointer.starts_with('/') && !token.error().message.empty(),
           "a fault names its field");
    return;
  }
  expect(std::all_of(token->begin(), token->end(), [](char c) { return c >= ' ' && c <= '~'; }),
         "a token is printable");
  const auto read = push::read_subscription(*token);
  expect(read.has_value(), "what was written is read");
  expect(read->origin == "https://push.test" || read->origin.ends_with(".push.test:8443"),
         "only to services on the list");
  const auto again = push::split_subscription(*token);
  expect(again && push::write_subscription(*again, origins) == *token,
         "what was written is written the same way again");
}

}  // namespace carillon::fuzz
