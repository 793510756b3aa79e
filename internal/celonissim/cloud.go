package celonissim

import (
	"net/http"

	"github.com/google/uuid"
)

// routeCloud adds what a client asks first: who am I, in which team, with what rights.
func (s *Server) routeCloud(rt *router) {
	rt.handle("cloud.user", "GET /api/cloud", s.getUser)
	rt.handle("cloud.team", "GET /api/cloud/team", s.getCloudTeam)
	rt.handle("cloud.permissions", "GET /api/cloud/permissions", s.getPermissions)
	rt.handle("team.get", "GET /api/team", s.getTeam)
}

func (s *Server) getUser(w http.ResponseWriter, _ *http.Request, c caller) {
	t := c.team
	writeJSON(w, http.StatusOK, map[string]any{
		"id": uuid.NewSHA1(uuid.NameSpaceOID, []byte(t.id+c.cred.Name)).String(), "email": c.cred.Name + "@" + t.domain + ".example",
		"name": c.cred.Name, "teamId": t.id, "teamName": t.name, "teamDomain": t.domain, "active": true, "role": 2,
		"groupIds": []string{}, "admin": c.cred.ManagePools, "analyst": true, "member": true, "timeZone": "UTC", "language": "en",
		"lastLogInDate": nil,
	})
}

func (s *Server) getCloudTeam(w http.ResponseWriter, _ *http.Request, c caller) {
	writeJSON(w, http.StatusOK, map[string]any{"id": c.team.id, "name": c.team.name, "domain": c.team.domain})
}

type servicePermissions struct {
	ServiceName string   `json:"serviceName"`
	Permissions []string `json:"permissions"`
}

func (s *Server) getPermissions(w http.ResponseWriter, _ *http.Request, c caller) {
	pools := []string{}
	if c.cred.ListPools {
		pools = append(pools, "VIEW_ALL_DATA_POOLS", "USE_ALL_DATA_MODELS")
	}
	if c.cred.ManagePools {
		pools = append(pools, "EDIT_ALL_DATA_POOLS", "CREATE_DATA_POOL")
	}
	if len(c.cred.PushPools) > 0 {
		pools = append(pools, "$ACCESS_CHILD")
	}
	writeJSON(w, http.StatusOK, []servicePermissions{
		{"team", []string{}}, {"event-collection", pools}, {"package-manager", []string{}}, {"storage-manager", []string{}},
	})
}

// getTeam answers the team's object; the fields named here have values, the
// others that the platform knows are null.
func (s *Server) getTeam(w http.ResponseWriter, _ *http.Request, c caller) {
	team := map[string]any{
		"id": c.team.id, "name": c.team.name, "domain": c.team.domain, "active": true, "visible": true,
		"openSignupEnabled": false, "trackingEnabled": false,
		"dataPushJobSubmissionLimitPerSec":  s.opts.Limits.SubmitsPerSecond,
		"dataPushJobSubmissionLimitPerHour": s.opts.Limits.SubmitsPerHour,
		"unlimitedDataPushJobSubmissions":   s.opts.Limits.SubmitsOff,
		"unlimitedTableRows":                true, "unlimitedDataConsumption": true, "unlimitedMembers": true,
		"unlimitedAnalysts": true, "unlimitedMlWorkbenches": true, "unlimitedActionEngineUsers": true,
		"unlimitedDataPoolVersionsLimit": true,
	}
	for _, name := range []string{
		"privacyType", "allowedDomain", "openSignupCode", "openSignupDefaultGroupId", "activeUntil", "accessibleFromIp",
		"memberLimit", "analystLimit", "actionEngineUserLimit", "mlWorkbenchesLimit", "tableRowsLimit",
		"dataConsumptionLimitInGigabytes", "dataPoolVersionsLimit", "currentDataConsumptionInBytes",
		"dataConsumptionsLastUpdatedAt", "dataConsumptionStage", "dataTransferHybridToCloudEnabled", "termsOfUseUrl",
		"termsAndConditionsEnabled", "enforceTwoFactorAuthenticationEnabled", "lmsUrl", "permissionsManagementMode", "requestDate",
	} {
		team[name] = nil
	}
	writeJSON(w, http.StatusOK, team)
}
