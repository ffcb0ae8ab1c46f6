#include "relay/api/audience_resource.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

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

Json device_document(const std::string& app, const store::DeviceRecord& device) {
  Json document{{"device", device.device},
                {"app", app},
                {"platform", platform_name(device.platform)},
                {"token", device.token}};
  if (!device.subscriber.empty()) document["subscriber"] = device.subscriber;
  if (!device.locale.empty()) document["locale"] = device.locale;
  if (!device.timezone.empty()) document["timezone"] = device.timezone;
  document["topics"] = device.topics;
  document["registered_at"] = rfc3339(device.registered_ms);
  return document;
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
  const auto form = parse_device(body);
  if (!form) return problem_reply(form.error().problem, "", form.error().errors);
  const std::vector<std::string_view> topics(form->topics.begin(), form->topics.end());
  const auto registered = store_.put_device({.app = app_of(admission),
                                             .device = name,
                                             .platform = form->platform,
                                             .token = form->token,
                                             .subscriber = form->subscriber,
                                             .locale = form->locale,
                                             .timezone = form->timezone,
                                             .topics = topics},
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
  const auto changed = store_.unsubscribe(app_of(admission), second(admission), third(admission));
  if (changed) return nothing();
  // Not subscribed is what was asked for.
  const bool never_was = changed.error().kind == store::Error::Kind::kNotFound;
  return never_was ? nothing() : store_problem(changed.error(), Problem::kUnknownTopic);
}

Reply AudienceResource::show_topic(const Admission& admission) {
  const auto topic = store_.topic(app_of(admission), second(admission));
  if (!topic) return store_problem(topic.error(), Problem::kUnknownTopic);
  Json devices = Json::object();
  for (std::size_t i = 0; i < topic->devices.size(); ++i) {
    devices[std::string(platform_name(static_cast<store::Platform>(i + 1)))] = topic->devices[i];
  }
  Reply reply{.status = 200};
  reply.body = Json{{"app", app_of(admission)},
                    {"topic", topic->topic},
                    {"subscribers", topic->subscribers},
                    {"devices", devices}}
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
