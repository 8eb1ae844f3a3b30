// The JSON of the dashboard's server, as `streamer_client/dashboard/api.py` promises it; what each field means stands
// there. Types only: this file must never hold behaviour.
export {};
