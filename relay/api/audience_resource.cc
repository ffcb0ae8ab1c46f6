#include "relay/api/audience_resource.h"

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "providers/webpush/subscription.h"
#include "relay/api/audience_form.h"
#include "relay/api/device_form.h"
#include "relay/api/event_document.h"
#include "relay/api/store_problem.h"
#include "relay/import/registration_form.h"

namespace carillon::api {
namespace {

using Json = nlohmann::ordered_json;

// In the order of the routes' braces.
const std::string& app_of(const Admission& admission) {
  return admission.match.captures[0];
}
const std::string& second(const Admission& admission) {
  return admission.match.captures[1];
}
const std::string& third(const Admission& admission) {
  return admission.match.captures[2];
}

std::optional<Reply> name_problem(std::string_view what, std::string_view fault) {
  if (fault.empty()) return std::nullopt;
  return problem_reply(Problem::kInvalidParameter,
                       "the path's " + std::string(what) + " " + std::string(fault));
}

Reply nothing() {
  return Reply{.status = 204};
}

// Not subscribed is what was asked for.
Reply unsubscribed(const store::Result<bool>& changed) {
  if (changed || changed.error().kind == store::Error::Kind::kNotFound) return nothing();
  return store_problem(changed.error(), Problem::kUnknownTopic);
}

Json device_document(const std::string& app, const store::DeviceRecord& device) {
  Json document{
      {"device", device.device}, {"app", app}, {"platform", platform_name(device.platform)}};
  const auto subscription = device.platform == store::Platform::kWebPush
                                ? push::split_subscription(device.token)
                                : std::nullopt;
  if (subscription) {
    document["subscription"] = {
        {"endpoint", subscription->endpoint},
        {"keys", {{"p256dh", subscription->p256dh}, {"auth", subscription->auth}}}};
  } else {
    document["token"] = device.token;
  }
  if (!device.subscriber.empty()) document["subscriber"] = device.subscriber;
  if (!device.locale.empty()) document["locale"] = device.locale;
  if (!device.timezone.empty()) document["timezone"] = device.timezone;
  if (!device.app_version.empty()) document["app_version"] = device.app_version;
  document["topics"] = device.topics;
  if (!device.device_topics.empty()) document["device_topics"] = device.device_topics;
  if (!device.attributes.empty()) {
    Json& attributes = document["attributes"] = Json::object();
    for (const store::Attribute& attribute : device.attributes) {
      std::visit([&](const auto& value) { attributes[attribute.name] = value; }, attribute.value);
    }
  }
  document["registered_at"] = rfc3339(device.registered_ms);
  if (device.last_seen_ms > 0) document["last_seen"] = rfc3339(device.last_seen_ms);
  if (device.stale) document["stale"] = true;
  if (device.quarantined) document["quarantined"] = true;
  return document;
}

// What a form owns, as the store takes it. The form outlives it.
class AttributeViews {
 public:
  explicit AttributeViews(const std::vector<store::Attribute>& attributes)
      : lists_(attributes.size()) {
    for (std::size_t i = 0; i < attributes.size(); ++i) {
      store::AttributeView& view = views_.emplace_back();
      view.name = attributes[i].name;
      const store::AttributeValue& value = attributes[i].value;
      if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
        lists_[i].assign(texts->begin(), texts->end());
        view.value = std::span<const std::string_view>(lists_[i]);
      } else if (const auto* text = std::get_if<std::string>(&value)) {
        view.value = std::string_view(*text);
      } else if (const auto* number = std::get_if<double>(&value)) {
        view.value = *number;
      } else {
        view.value = std::get<bool>(value);
      }
    }
  }
  std::span<const store::AttributeView> views() const { return views_; }

 private:
  std::vector<store::AttributeView> views_;
  std::vector<std::vector<std::string_view>> lists_;
};

Json by_platform(const store::PlatformCounts& counts) {
  Json out = Json::object();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    out[std::string(platform_name(static_cast<store::Platform>(i + 1)))] = counts[i];
  }
  return out;
}

}  // namespace

std::int64_t AudienceResource::now_ms() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             clocks_.calendar().time_since_epoch())
      .count();
}

Reply AudienceResource::put_device(const Admission& admission, std::string_view body) {
  const std::string& name = second(admission);
  if (auto problem = name_problem("device", import::name_fault(name))) return *problem;
  const auto form = parse_device(body, import::push_origins_of(push_origins_, app_of(admission)));
  if (!form) return problem_reply(form.error().problem, "", form.error().errors);
  if (const auto fault = import::last_seen_fault(form->last_seen_ms, now_ms()); !fault.empty()) {
    return problem_reply(Problem::kInvalidBody, "", {{"/last_seen", std::string(fault)}});
  }
  const std::vector<std::string_view> topics(form->topics.begin(), form->topics.end());
  const std::vector<std::string_view> own(form->device_topics.begin(), form->device_topics.end());
  const AttributeViews attributes(form->attributes);
  const auto registered = store_.put_device({.app = app_of(admission),
                                             .device = name,
                                             .platform = form->platform,
                                             .token = form->token,
                                             .subscriber = form->subscriber,
                                             .locale = form->locale,
                                             .timezone = form->timezone,
                                             .topics = topics,
                                             .device_topics = own,
                                             .app_version = form->app_version,
                                             .attributes = attributes.views(),
                                             .last_seen_ms = form->last_seen_ms,
                                             .by_app = true},
                                            now_ms());
  if (!registered) return store_problem(registered.error(), Problem::kUnknownDevice);
  const auto device = store_.device(app_of(admission), name);
  if (!device) return store_problem(device.error(), Problem::kUnknownDevice);
  Reply reply{.status = *registered == store::Registered::kCreated ? 201 : 200};
  reply.body = device_document(app_of(admission), *device).dump() + "\n";
  return reply;
}

Reply AudienceResource::show_device(const Admission& admission) {
  const auto device = store_.device(app_of(admission), second(admission));
  if (!device) return store_problem(device.error(), Problem::kUnknownDevice);
  Reply reply{.status = 200};
  reply.body = device_document(app_of(admission), *device).dump() + "\n";
  return reply;
}

Reply AudienceResource::erase_device(const Admission& admission) {
  const auto erased = store_.erase_device(app_of(admission), second(admission));
  if (!erased) return store_problem(erased.error(), Problem::kUnknownDevice);
  return erased->devices == 0 ? problem_reply(Problem::kUnknownDevice, "") : nothing();
}

Reply AudienceResource::subscribe(const Admission& admission) {
  if (auto problem = name_problem("topic", import::topic_fault(second(admission)))) return *problem;
  if (auto problem = name_problem("subscriber", import::name_fault(third(admission)))) {
    return *problem;
  }
  const auto changed =
      store_.subscribe(app_of(admission), second(admission), third(admission), now_ms());
  return changed ? nothing() : store_problem(changed.error(), Problem::kUnknownTopic);
}

Reply AudienceResource::unsubscribe(const Admission& admission) {
  return unsubscribed(store_.unsubscribe(app_of(admission), second(admission), third(admission)));
}

Reply AudienceResource::subscribe_device(const Admission& admission) {
  if (auto problem = name_problem("topic", import::topic_fault(second(admission)))) return *problem;
  const auto changed =
      store_.subscribe_device(app_of(admission), second(admission), third(admission));
  return changed ? nothing() : store_problem(changed.error(), Problem::kUnknownDevice);
}

Reply AudienceResource::unsubscribe_device(const Admission& admission) {
  return unsubscribed(
      store_.unsubscribe_device(app_of(admission), second(admission), third(admission)));
}

Reply AudienceResource::count(const Admission& admission, std::string_view body) {
  const auto audience = parse_audience(body);
  if (!audience) return problem_reply(audience.error().problem, "", audience.error().errors);
  const auto place = counts_.take();
  if (!place) return problem_reply(Problem::kTooManyCounts, kCountsAreFew);
  const auto begun = clocks_.monotonic();
  const auto count = store_.count(app_of(admission), *audience);
  if (!count) return store_problem(count.error(), Problem::kUnknownApp);
  const std::chrono::duration<double, std::milli> took = clocks_.monotonic() - begun;
  Reply reply{.status = 200};
  reply.body = Json{{"subscribers", count->subscribers},
                    {"devices", std::accumulate(count->devices.begin(), count->devices.end(),
                                                std::uint64_t{0})},
                    {"by_platform", by_platform(count->devices)},
                    {"took_ms", std::round(took.count() * 10) / 10}}
                   .dump() +
               "\n";
  return reply;
}

Reply AudienceResource::show_topic(const Admission& admission) {
  const auto topic = store_.topic(app_of(admission), second(admission));
  if (!topic) return store_problem(topic.error(), Problem::kUnknownTopic);
  Reply reply{.status = 200};
  reply.body = Json{{"app", app_of(admission)},
                    {"topic", topic->topic},
                    {"subscribers", topic->subscribers},
                    {"devices", by_platform(topic->devices)}}
                   .dump() +
               "\n";
  return reply;
}

Reply AudienceResource::erase_subscriber(const Admission& admission) {
  const auto erased = store_.erase_subscriber(app_of(admission), second(admission));
  if (!erased) return store_problem(erased.error(), Problem::kUnknownSubscriber);
  Reply reply{.status = 200};
  reply.body =
      Json{{"devices", erased->devices}, {"subscriptions", erased->subscriptions}}.dump() + "\n";
  return reply;
}

}  // namespace carillon::api
